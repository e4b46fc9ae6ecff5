"""An OpenAI-compatible server without an LLM, whose times are known: to try, test and check measuring with."""

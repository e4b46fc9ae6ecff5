"""An OpenAI-compatible server without an LLM, whose times are known: to try and check measuring with."""

"""An OpenAI-compatible server without an LLM, whose times are known: to try out and check measurements."""

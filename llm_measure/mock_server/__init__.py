"""A server of OpenAI's and Anthropic's APIs without an LLM, whose times are known: to check measurements."""

"""The LLM to use now, for routers."""

"""SVG badges for README files and wikis: a metric, the availability or the status of an LLM."""

"""Whether endpoints can be measured, and which of their options must change for that."""

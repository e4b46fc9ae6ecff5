"""One file a section; each yields rows of figures."""

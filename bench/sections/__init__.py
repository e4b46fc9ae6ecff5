"""One module per section; its `measure` returns rows of figures."""

"""How values get into the database: attempts at runs, measured levels, and the publication of new runs."""

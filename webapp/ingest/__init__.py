"""How values get into the database: attempts at runs, measured levels, imported results, publication."""

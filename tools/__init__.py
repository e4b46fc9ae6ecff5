"""What helps to make and to check what is published."""

"""What the section `detect` compares change detection with: series of known truth, and Apache Otava."""

"""python -m llm_measure: the command llm-measure."""

from llm_measure.cli import main

main(prog_name="llm-measure")

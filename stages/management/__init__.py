"""Commands of operators that can work on a stage."""

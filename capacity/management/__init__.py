"""Commands of the capacity planner."""

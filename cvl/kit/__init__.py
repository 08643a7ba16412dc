"""The training toolkit that examples import inside their containers."""

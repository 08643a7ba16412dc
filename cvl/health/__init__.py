"""The static checks of `cvl verify`: what an example must be before anybody runs it."""

"""One run: clock, recorder, feedback and the runtime around them."""

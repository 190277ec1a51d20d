"""Networks ready to run: what they are called with, and which runtime each kind of weight file asks for."""

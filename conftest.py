"""What every test, of tests and of parity, relies on."""
import signal

# a shell's background job ignores Ctrl-C, and so would every program that its tests start and interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

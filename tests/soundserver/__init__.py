"""A private sound server for tests that need real streams and have no sound card."""

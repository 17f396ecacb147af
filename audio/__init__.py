"""Sound: devices, rings, codecs, endpointing and playback, in samples and monotonic seconds.

This package knows nothing of networks, of Coze, of turn-taking or of configuration files.
"""

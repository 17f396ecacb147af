"""The platform's side of the wire: a local stand-in that devices are tested against."""

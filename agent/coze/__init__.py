"""The wire of the Coze platform: typed events, the pure protocol session, the websocket shell."""

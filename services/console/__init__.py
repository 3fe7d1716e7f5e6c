"""The one door for people: an HTTPS API with identity, roles and an audit log."""

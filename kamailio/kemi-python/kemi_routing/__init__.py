"""Routing between web phones and telephones: `decisions` decides, `routes` does it in Kamailio, `media` says what the gateway is asked."""

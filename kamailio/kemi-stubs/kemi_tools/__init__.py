"""Tools around the KSR stubs: reading what a Kamailio exports, writing stubs of it, and a double of KSR for unit tests."""

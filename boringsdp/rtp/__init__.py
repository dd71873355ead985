"""RTP, RTCP and SRTP packets; cores."""

//! The SCTP that browsers sent inside DTLS, decrypted.

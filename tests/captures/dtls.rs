//! DTLS as browsers send it: records, handshake messages, ClientHellos in two datagrams.

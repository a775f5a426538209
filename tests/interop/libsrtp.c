/* libsrtp2 as a counterpart: protects, opens and times packets.
 *
 *   cc -O2 -o libsrtp libsrtp.c -lsrtp2
 *
 *   libsrtp PROFILE KEY             serves requests on stdin until it ends
 *   libsrtp PROFILE KEY LENGTH      prints packets a second: protect, then unprotect
 *
 * PROFILE is the profile's number in DTLS (RFC 5764 section 4.1.2): 1, 2, 7 or 8. KEY is the master
 * key and the master salt in hexadecimal digits. Both directions use it.
 *
 *   request:  what (1)  length (2, big endian)  packet
 *             p protect RTP, u unprotect RTP, P protect RTCP, U unprotect RTCP
 *   answer:   status (1, 0 is success)  length (2, big endian)  packet, empty if refused
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <srtp2/srtp.h>

enum { LONGEST = 65535, ROOM = LONGEST + SRTP_MAX_TRAILER_LEN + 4 };

static void die(const char *what)
{
    fprintf(stderr, "libsrtp: %s\n", what);
    exit(1);
}

static size_t from_hex(const char *digits, unsigned char *out, size_t room)
{
    size_t length = strlen(digits) / 2;
    if (length > room)
        die("the key is too long");
    for (size_t i = 0; i < length; i++) {
        unsigned octet;
        if (sscanf(digits + 2 * i, "%2x", &octet) != 1)
            die("the key is not hexadecimal");
        out[i] = (unsigned char)octet;
    }
    return length;
}

static srtp_t session(int profile, unsigned char *key, srtp_ssrc_type_t direction)
{
    srtp_policy_t policy;
    srtp_t session;
    memset(&policy, 0, sizeof policy);
    if (srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, (srtp_profile_t)profile) ||
        srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, (srtp_profile_t)profile))
        die("this libsrtp2 does not have the profile");
    policy.ssrc.type = direction;
    policy.key = key;
    policy.window_size = 1024;
    if (srtp_create(&session, &policy))
        die("no session; is this libsrtp2 built without GCM?");
    return session;
}

static void serve(srtp_t out, srtp_t in)
{
    static unsigned char packet[ROOM];
    unsigned char head[3];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        int length = head[1] << 8 | head[2];
        srtp_err_status_t status = srtp_err_status_bad_param;
        if (length && fread(packet, (size_t)length, 1, stdin) != 1)
            die("half a request");
        switch (head[0]) {
        case 'p': status = srtp_protect(out, packet, &length); break;
        case 'u': status = srtp_unprotect(in, packet, &length); break;
        case 'P': status = srtp_protect_rtcp(out, packet, &length); break;
        case 'U': status = srtp_unprotect_rtcp(in, packet, &length); break;
        default: die("no such request");
        }
        if (status)
            length = 0;
        head[0] = (unsigned char)status;
        head[1] = (unsigned char)(length >> 8);
        head[2] = (unsigned char)length;
        fwrite(head, sizeof head, 1, stdout);
        fwrite(packet, (size_t)length, 1, stdout);
        fflush(stdout);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Rounds of BATCH packets; the fastest round counts, the others were disturbed. */
static void measure(srtp_t out, srtp_t in, int length)
{
    enum { BATCH = 512, ROUNDS = 200 };
    static unsigned char packets[BATCH][2048];
    static int lengths[BATCH];
    double protect = 1e9, unprotect = 1e9;
    uint16_t seq = 0;
    if (length < 12 || length > 2000)
        die("no packet of that length");
    memset(packets, 0, sizeof packets);
    for (int i = 0; i < BATCH; i++)
        packets[i][0] = 0x80, packets[i][1] = 96, packets[i][11] = 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();
        for (int i = 0; i < BATCH; i++) {
            lengths[i] = length;
            packets[i][2] = (unsigned char)(seq >> 8);
            packets[i][3] = (unsigned char)seq;
            seq++;
            if (srtp_protect(out, packets[i], &lengths[i]))
                die("a packet was refused");
        }
        double middle = seconds();
        for (int i = 0; i < BATCH; i++)
            if (srtp_unprotect(in, packets[i], &lengths[i]))
                die("a packet was refused");
        double end = seconds();
        if (middle - start < protect)
            protect = middle - start;
        if (end - middle < unprotect)
            unprotect = end - middle;
    }
    printf("%.0f %.0f\n", BATCH / protect, BATCH / unprotect);
}

int main(int count, char **arguments)
{
    unsigned char key[SRTP_MAX_KEY_LEN] = { 0 };
    if (count < 3)
        die("usage: libsrtp PROFILE KEY [LENGTH]");
    if (srtp_init())
        die("libsrtp2 does not start");
    from_hex(arguments[2], key, sizeof key);
    srtp_t out = session(atoi(arguments[1]), key, ssrc_any_outbound);
    srtp_t in = session(atoi(arguments[1]), key, ssrc_any_inbound);
    if (count > 3)
        measure(out, in, atoi(arguments[3]));
    else
        serve(out, in);
    return 0;
}

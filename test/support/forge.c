/*
 * Puts frames on an interface exactly as they are given, whoever they claim to be from.
 *
 *   forge IFACE [REPEAT [BASE]]    frames as lines of hex on standard input, each sent REPEAT times
 *
 * In a frame sent more than once, the four bytes "ffeeddcc" (hex, anywhere) become BASE and the number of the copy, so that a
 * flood can claim many senders; the checksum of an IPv4 header is made true again. Prints how many frames the kernel took. Needs CAP_NET_RAW in the namespace.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST = 9000 };

static int nibble(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

/* Bytes read, or -1 for what is not hex or too long. */
static int decode(const char *line, unsigned char *frame)
{
    int length = 0;
    for (; nibble(line[0]) >= 0; line += 2) {
        if (nibble(line[1]) < 0 || length == LONGEST) return -1;
        frame[length++] = (unsigned char)(nibble(line[0]) << 4 | nibble(line[1]));
    }
    return *line == '\n' || *line == '\0' ? length : -1;
}

static unsigned char *counter_of(unsigned char *frame, int length)
{
    static const unsigned char mark[4] = {0xff, 0xee, 0xdd, 0xcc};
    for (int i = 0; i + 4 <= length; i++)
        if (memcmp(frame + i, mark, sizeof mark) == 0) return frame + i;
    return NULL;
}

/* What is forwarded is dropped for a wrong one before any rule sees it. */
static void sum_header(unsigned char *frame, int length)
{
    unsigned char *header = frame + ETHER_HDR_LEN;
    if (length < ETHER_HDR_LEN + 20 || frame[12] != 0x08 || frame[13] != 0x00) return;
    int bytes = (header[0] & 0x0f) * 4;
    if (bytes < 20 || ETHER_HDR_LEN + bytes > length) return;
    unsigned sum = 0;
    header[10] = header[11] = 0;
    for (int i = 0; i < bytes; i += 2) sum += (unsigned)(header[i] << 8 | header[i + 1]);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    header[10] = (unsigned char)(~sum >> 8);
    header[11] = (unsigned char)~sum;
}

struct flood {
    unsigned repeat;
    unsigned base;
};

static void send_all(int fd, unsigned char *frame, int length, struct flood flood, unsigned long *sent)
{
    unsigned char *place = counter_of(frame, length);
    for (unsigned i = 0; i < flood.repeat; i++) {
        unsigned number = htonl(flood.base + i);
        if (place) {
            memcpy(place, &number, sizeof number);
            sum_header(frame, length);
        }
        while (send(fd, frame, (size_t)length, 0) < 0) {
            if (errno != ENOBUFS && errno != EINTR) return;
            usleep(200);
        }
        ++*sent;
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) return fprintf(stderr, "usage: forge IFACE [REPEAT] < frames\n"), 2;
    struct flood flood = {.repeat = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1,
                          .base = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[1])};
    if (fd < 0 || to.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0) return perror(argv[1]), 1;
    static char line[2 * LONGEST + 2];
    static unsigned char frame[LONGEST];
    unsigned long sent = 0;
    while (fgets(line, sizeof line, stdin)) {
        int length = decode(line, frame);
        if (length < ETHER_HDR_LEN) return fprintf(stderr, "not a frame: %s", line), 2;
        send_all(fd, frame, length, flood, &sent);
    }
    printf("%lu\n", sent);
    return 0;
}

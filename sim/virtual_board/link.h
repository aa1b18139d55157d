// The byte stream to the client: TCP on this machine, or a pseudo-terminal.
#pragma once

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <vector>

// What the system refused, in one sentence.
struct LinkError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void never_block(int descriptor) { fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK); }

// A listening socket on 127.0.0.1; port 0 takes any free one.
class Listener {
  public:
    explicit Listener(uint16_t port) : descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int on = 1;
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        auto *generic = reinterpret_cast<sockaddr *>(&address);
        socklen_t size = sizeof address;
        if (bind(descriptor, generic, size) || listen(descriptor, 4) || getsockname(descriptor, generic, &size))
            throw LinkError("port " + std::to_string(port) + " on 127.0.0.1 cannot be served: " + strerror(errno) +
                            "; end the program that uses it or give another port (0 takes any free one)");
        port_ = ntohs(address.sin_port);
        never_block(descriptor);
    }
    ~Listener() { close(descriptor); }
    Listener(const Listener &) = delete;
    Listener &operator=(const Listener &) = delete;

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

    // A client that waits, or -1.
    int accept_client() const { return accept4(descriptor, nullptr, nullptr, SOCK_CLOEXEC); }

    const int descriptor;

  private:
    uint16_t port_ = 0;
};

class Link {
  public:
    virtual ~Link() = default;
    virtual std::string url() const = 0;
    // To poll for a client while none is connected; -1: call `accept_client` now and then.
    virtual int waiting_descriptor() const = 0;
    virtual void accept_client() = 0;
    virtual void close_client() = 0;

    bool connected() const { return client_ >= 0; }
    int client() const { return client_; }

    // Appends what has come to `received`; closes the link where the client has gone.
    void receive(std::vector<uint8_t> &received) {
        uint8_t bytes[1 << 16];
        const ssize_t count = read(client_, bytes, sizeof bytes);
        if (count > 0) received.insert(received.end(), bytes, bytes + count);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) close_client();
    }

    // Sends what the client takes now and removes it from `waiting`; closes the link where the client has gone.
    void send(std::vector<uint8_t> &waiting) {
        const ssize_t count = write(client_, waiting.data(), waiting.size());
        if (count > 0) waiting.erase(waiting.begin(), waiting.begin() + count);
        if (count < 0 && errno != EAGAIN && errno != EINTR) close_client();
    }

  protected:
    int client_ = -1;
};

class TcpLink : public Link {
  public:
    explicit TcpLink(uint16_t port) : listener_(port) {}
    ~TcpLink() override { close_client(); }
    std::string url() const override { return "socket://" + listener_.address(); }
    int waiting_descriptor() const override { return listener_.descriptor; }

    // The first client is served; others are turned away at once rather than left waiting.
    void accept_client() override {
        const int arrived = listener_.accept_client();
        if (arrived < 0) return;
        if (connected()) {
            close(arrived);
            return;
        }
        const int on = 1;
        setsockopt(arrived, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        never_block(arrived);
        client_ = arrived;
    }
    void close_client() override {
        if (connected()) close(client_);
        client_ = -1;
    }

  private:
    Listener listener_;
};

class TerminalLink : public Link {
  public:
    TerminalLink() : master_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        const char *name = master_ < 0 || grantpt(master_) || unlockpt(master_) ? nullptr : ptsname(master_);
        const int slave = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
        if (slave < 0) throw LinkError(std::string("no pseudo-terminal to be had: ") + strerror(errno));
        // Raw, or the terminal would echo and translate bytes. Closed again: the hang-up tells that no client is there.
        termios mode{};
        tcgetattr(slave, &mode);
        cfmakeraw(&mode);
        tcsetattr(slave, TCSANOW, &mode);
        path_ = name;
        close(slave);
        never_block(master_);
    }
    ~TerminalLink() override { close(master_); }
    std::string url() const override { return path_; }
    int waiting_descriptor() const override { return -1; }

    void accept_client() override {
        pollfd one{master_, POLLIN, 0};
        if (poll(&one, 1, 0) >= 0 && !(one.revents & POLLHUP)) client_ = master_;
    }
    void close_client() override {
        client_ = -1;
        tcflush(master_, TCIOFLUSH);
    }

  private:
    const int master_;
    std::string path_;
};

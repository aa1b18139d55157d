// The virtual board: the compiled gateware (Verilator's Vharness) between a model of the readout chip and a byte stream.
//
//     scene (file, scene port) -> Roic -> Vharness <-> Link (TCP or pseudo-terminal) <-> host
//
// Simulated time stands still while no client is connected and while the client does not take the bytes that wait for it.
// A board without a series runs only a few clocks now and then, so that it does not keep a core busy.
//
// The build defines ROWS, COLUMNS, SAMPLE_BITS, ADC_LATENCY and SCENE_MAGIC.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <getopt.h>
#include <memory>
#include <sys/time.h>

#include "Vharness.h"
#include "link.h"
#include "roic.h"
#include "verilated.h"

namespace {

using Time = std::chrono::steady_clock;

constexpr int TURN = 4096;                 // clocks between two looks at the link
constexpr int REPLY_PAUSE = 64;            // quiet clocks after which waiting bytes go out before the turn is over
constexpr int IDLE = 1 << 16;              // quiet clocks after which the board dozes: one turn, then a rest
constexpr int REST_MILLISECONDS = 10;      // a byte from the client ends the rest at once
constexpr int WAIT_MILLISECONDS = 500;     // for a client; a signal just before it would otherwise wait with it
constexpr size_t MOST_WAITING = 1 << 20;   // bytes towards either side before that side has to wait
constexpr int SCENE_TIMEOUT_SECONDS = 10;  // for a scene that comes too slowly

volatile std::sig_atomic_t stop_asked = 0;

struct Options {
    std::string samples;
    int port = 0, scene_port = 0;
    bool terminal = false, keep = false, end_with_input = false;
};

class Board {
  public:
    Board(const Options &options, Link &link)
        : options_(options), link_(link), scenes_(uint16_t(options.scene_port)) {
        model_.eval();
    }

    std::string scene_address() const { return scenes_.address(); }
    void show(Scene scene) { roic_.show(std::move(scene)); }

    void serve() {
        while (!stop_asked) {
            if (!link_.connected()) {
                wait_for_client();
            } else {
                run();
                exchange(idle() ? REST_MILLISECONDS : 0);
                while (!stop_asked && link_.connected() && sent_.size() >= MOST_WAITING) exchange(WAIT_MILLISECONDS);
                if (!link_.connected() && !options_.keep) return;
            }
        }
    }

    void report() const {
        const double seconds = std::chrono::duration<double>(running_).count();
        std::printf("simulated %llu clocks in %.3f s (%.2f million clocks/s), %llu frames\n",
                    static_cast<unsigned long long>(clocks_), seconds, seconds > 0 ? double(clocks_) / seconds / 1e6 : 0,
                    static_cast<unsigned long long>(roic_.frames));
    }

  private:
    // No series is under way and nothing has happened for a while.
    bool idle() const { return quiet_ >= IDLE && !model_.armed; }

    // One clock edge. The inputs were set before, the outputs of the new clock are there after.
    void step() {
        model_.clk = !model_.clk;  // either edge is a clock: see build.py
        model_.eval();
        ++clocks_;
    }

    // One turn: simulates up to TURN clocks.
    void run() {
        const auto begin = Time::now();
        for (int clock = 0; clock < TURN; ++clock) {
            const Roic::Samples samples =
                roic_.clock(model_.reset, model_.sample_reset, model_.sample_signal, model_.image_id, model_.convert,
                            model_.row, model_.column);
            model_.reset_sample = samples.reset;
            model_.signal_sample = samples.signal;
            const bool offers = next_ < received_.size(), sends = model_.tx_valid;
            model_.rx_valid = offers;
            if (offers) {
                model_.rx_payload = received_[next_];
                next_ += model_.rx_taken;
            }
            if (sends) sent_.push_back(model_.tx_payload);
            quiet_ = offers || sends || model_.busy ? 0 : std::min(quiet_ + 1, IDLE);
            step();
            if (quiet_ == REPLY_PAUSE && !sent_.empty()) break;
        }
        received_.erase(received_.begin(), received_.begin() + std::ptrdiff_t(next_));
        next_ = 0;
        running_ += Time::now() - begin;
    }

    void wait_for_client() {
        sent_.clear();
        received_.clear();
        // A pseudo-terminal does not tell when it is opened: look.
        exchange(link_.waiting_descriptor() < 0 ? REST_MILLISECONDS : WAIT_MILLISECONDS);
        if (link_.waiting_descriptor() < 0) link_.accept_client();
    }

    // Moves bytes and takes scenes; waits up to `milliseconds` for something to do.
    void exchange(int milliseconds) {
        short wanted = POLLIN;
        if (received_.size() >= MOST_WAITING) wanted = 0;
        if (!sent_.empty()) wanted |= POLLOUT;
        pollfd events[] = {{options_.end_with_input ? STDIN_FILENO : -1, POLLIN, 0},
                           {scenes_.descriptor, POLLIN, 0},
                           {link_.waiting_descriptor(), POLLIN, 0},
                           {link_.client(), wanted, 0}};
        if (poll(events, 4, milliseconds) <= 0) return;
        if (events[0].revents) {
            char ignored[64];
            if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) stop_asked = 1;
        }
        if (events[1].revents) take_scene();
        if (events[3].revents & POLLOUT && link_.connected()) link_.send(sent_);
        if (events[3].revents & (POLLIN | POLLHUP | POLLERR) && link_.connected()) link_.receive(received_);
        if (events[2].revents) link_.accept_client();
    }

    // Reads a scene from a client of the scene port and answers with "ok" or what is wrong with it.
    void take_scene() {
        const int client = scenes_.accept_client();
        if (client < 0) return;
        const timeval patience{SCENE_TIMEOUT_SECONDS, 0};
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        std::string answer = "ok\n";
        try {
            roic_.show(read_scene(client));
        } catch (const SceneError &error) {
            answer = std::string(error.what()) + "\n";
        }
        if (write(client, answer.data(), answer.size()) < 0) std::fprintf(stderr, "the scene's client has gone\n");
        // Whatever of a refused scene is still on its way is read: closing before would take the answer back.
        shutdown(client, SHUT_WR);
        for (char rest[1 << 16]; read(client, rest, sizeof rest) > 0;) {
        }
        close(client);
    }

    const Options &options_;
    Link &link_;
    Listener scenes_;
    VerilatedContext context_;
    Vharness model_{&context_};
    Roic roic_;
    std::vector<uint8_t> received_, sent_;
    size_t next_ = 0;  // of received_
    int quiet_ = 0;    // clocks since the board last did anything
    uint64_t clocks_ = 0;
    Time::duration running_{};
};

Options parse(int count, char **arguments) {
    static const option known[] = {{"samples", required_argument, nullptr, 's'},
                                   {"port", required_argument, nullptr, 'p'},
                                   {"scene-port", required_argument, nullptr, 'c'},
                                   {"pty", no_argument, nullptr, 't'},
                                   {"keep", no_argument, nullptr, 'k'},
                                   {"end-with-input", no_argument, nullptr, 'e'},
                                   {nullptr, 0, nullptr, 0}};
    const auto port = [](const char *text) {
        char *end = nullptr;
        const long number = std::strtol(text, &end, 10);
        if (end == text || *end || number < 0 || number > 65535)
            throw LinkError(std::string("a port is a number from 0 to 65535, not ") + text);
        return int(number);
    };
    Options options;
    for (int one; (one = getopt_long(count, arguments, "", known, nullptr)) != -1;) {
        switch (one) {
        case 's': options.samples = optarg; break;
        case 'p': options.port = port(optarg); break;
        case 'c': options.scene_port = port(optarg); break;
        case 't': options.terminal = true; break;
        case 'k': options.keep = true; break;
        case 'e': options.end_with_input = true; break;
        default: std::exit(2);
        }
    }
    return options;
}

Scene read_scene_file(const std::string &path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw SceneError(path + ": " + strerror(errno));
    Scene scene = read_scene(file);
    close(file);
    return scene;
}

}  // namespace

int main(int count, char **arguments) {
    struct sigaction stop {};
    stop.sa_handler = [](int) { stop_asked = 1; };  // without SA_RESTART: a waiting call returns
    sigaction(SIGINT, &stop, nullptr);
    sigaction(SIGTERM, &stop, nullptr);
    sigaction(SIGHUP, &stop, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    try {
        const Options options = parse(count, arguments);
        std::unique_ptr<Link> link;
        if (options.terminal)
            link = std::make_unique<TerminalLink>();
        else
            link = std::make_unique<TcpLink>(uint16_t(options.port));
        Board board(options, *link);
        if (!options.samples.empty()) board.show(read_scene_file(options.samples));
        std::printf("link %s\nscenes %s\n", link->url().c_str(), board.scene_address().c_str());
        std::fflush(stdout);
        board.serve();
        board.report();
    } catch (const std::runtime_error &error) {
        std::fprintf(stderr, "virtual board: %s\n", error.what());
        return 1;
    }
    return 0;
}

"""Stand-in for the sshd program: something that listens on 2023 and says what it is."""

import socketserver


class Greeting(socketserver.BaseRequestHandler):
    """Greets and hangs up."""

    def handle(self):
        self.request.sendall(b"SSH-2.0-OMS_stand-in\r\n")


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("0.0.0.0", 2023), Greeting) as server:
        server.serve_forever()

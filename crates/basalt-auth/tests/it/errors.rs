//! What is answered where nothing is served.

use crate::server::{Ask, Server, config};

#[test]
fn unknown_paths_and_methods_answer_as_a_router_does() {
    let server = Server::start(config());
    for path in ["/", "/nonsense", "/signup/x", "/admin", "/admin/nonsense", "/user/x/y/z", "/%2e%2e/user", "//"] {
        let reply = server.ask(Ask::new("GET", path));
        assert_eq!((reply.status, reply.text.as_str()), (404, "404 page not found\n"), "{path}");
    }
    for (method, path, allow) in
        [("GET", "/signup", "POST"), ("DELETE", "/user", "GET, PUT"), ("PATCH", "/admin/users", "GET, POST")]
    {
        let reply = server.ask(Ask::new(method, path));
        assert_eq!((reply.status, reply.text.as_str()), (405, ""), "{method} {path}");
        assert_eq!(reply.headers["allow"], allow);
    }
    assert_eq!(server.ask(Ask::new("GET", "/health/")).status, 200);
}

//! Hosts on the internet that are no upstream: they accept connections and close them.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Namespace;

pub(super) struct Witness {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    pub(super) fn start(namespace: &Namespace, address: SocketAddr) -> Witness {
        let listener =
            namespace.enter(|| TcpListener::bind(address)).expect("the address is the namespace's own");
        listener.set_nonblocking(true).expect("a socket");
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                match listener.accept() {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    // A connection that is dropped is closed, and was answered.
                    _ => {}
                }
            }
        });
        Witness { over, thread: Some(thread) }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

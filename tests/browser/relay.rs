//! A relay on loopback between a browser and the peer program that loses packets on the way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A path that loses packets.
pub(crate) struct Relay {
    /// Where the browser sends to.
    pub(crate) port: u16,
    lost: Arc<AtomicU64>,
    tasks: [JoinHandle<()>; 2],
}

impl Relay {
    /// A relay to the peer's UDP port that loses this share of the datagrams, each way.
    pub(crate) async fn start(peer_port: u16, loss: f64) -> Self {
        let peer = SocketAddr::from(([127, 0, 0, 1], peer_port));
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = front.local_addr().unwrap().port();
        let lost = Arc::new(AtomicU64::new(0));
        let (browser, known_browser) = watch::channel(None);
        let inward = tokio::spawn({
            let (front, back, lost) = (Arc::clone(&front), Arc::clone(&back), Arc::clone(&lost));
            async move {
                let mut rng = StdRng::seed_from_u64(1);
                let mut buffer = vec![0; 65_536];
                loop {
                    let (length, from) = front.recv_from(&mut buffer).await.unwrap();
                    browser.send_replace(Some(from));
                    if rng.random_bool(loss) {
                        lost.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let _ = back.send_to(&buffer[..length], peer).await;
                    }
                }
            }
        });
        let outward = tokio::spawn({
            let lost = Arc::clone(&lost);
            async move {
                let mut rng = StdRng::seed_from_u64(2);
                let mut buffer = vec![0; 65_536];
                loop {
                    let (length, _) = back.recv_from(&mut buffer).await.unwrap();
                    let browser: Option<SocketAddr> = *known_browser.borrow();
                    if rng.random_bool(loss) {
                        lost.fetch_add(1, Ordering::Relaxed);
                    } else if let Some(browser) = browser {
                        let _ = front.send_to(&buffer[..length], browser).await;
                    }
                }
            }
        });
        Self { port, lost, tasks: [inward, outward] }
    }

    /// Datagrams lost by now.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

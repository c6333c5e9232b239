//! The other door: a socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Fault, cloud_of};

async fn ask(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A connection that is cut may end in an error; what counts is that nothing came.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn a_lost_answer_ends_the_connection_and_stopping_ends_the_server() {
    let (cloud, _) = cloud_of(super::WORLD);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = cloud.clone();
    let server = tokio::spawn(async move {
        let stop = async {
            let _ = stopped.await;
        };
        served.serve(listener, stop).await
    });
    let first = ask(address).await;
    assert!(first.starts_with("HTTP/1.1 403"), "{first}");
    assert!(first.contains("MissingAuthenticationToken"), "{first}");
    assert!(first.to_ascii_lowercase().contains("\r\ndate: tue, 24 mar 2026"), "{first}");
    cloud.set_faults([(2, Fault::LostAnswer)]);
    assert_eq!(ask(address).await, "");
    assert!(ask(address).await.starts_with("HTTP/1.1 403"));
    assert_eq!(cloud.requests(), 3);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

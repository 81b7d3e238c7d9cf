//! `genset demo-cloud`: the stand-in for a cloud upstream, for evaluation.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::demo_cloud::{self, DemoOptions};

pub(crate) async fn run(listen: SocketAddr, control: SocketAddr) -> Result<ExitCode, Failure> {
    let cancel = CancellationToken::new();
    let stop = super::serve::stop_signal()?;
    let demo = demo_cloud::run(DemoOptions { listen, control }, cancel.clone());
    tokio::pin!(demo);
    let ended = tokio::select! {
        ended = &mut demo => ended,
        () = stop => {
            cancel.cancel();
            demo.await
        }
    };
    ended.map(|()| ExitCode::SUCCESS).map_err(|error| Failure::Unusable(error.to_string()))
}

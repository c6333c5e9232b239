//! A cloud whose answers come in another order than they were asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use portcullis::clock::Clock;
use portcullis::diagnostic::Diagnostic;
use portcullis::sim::{Cloud, World};

use super::scene::Dice;
use crate::stage::{connect_through, plan_through, read, terms};

/// Between us and the cloud: every answer is late, by a time that its request and a seed decide, so that answers come in
/// another order than they were asked for.
#[derive(Clone, Debug)]
struct Late {
    prompt: SharedHttpClient,
    seed: u64,
    clock: Clock,
    /// Requests by their numbers, as they were sent, and as their answers came.
    order: Arc<Mutex<(Vec<usize>, Vec<usize>)>>,
}

#[derive(Debug)]
struct LateConnector(SharedHttpConnector, Late);

impl HttpClient for Late {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let prompt = self.prompt.http_connector(settings, components);
        SharedHttpConnector::new(LateConnector(prompt, self.clone()))
    }
}

impl HttpConnector for LateConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default().iter();
        let mut dice = Dice(
            body.fold(self.1.seed | 1, |so_far, byte| {
                so_far.wrapping_mul(0x0000_0100_0000_01B3) ^ u64::from(*byte)
            }) | 1,
        );
        let late = std::time::Duration::from_millis(dice.throw(1 << 20) % 400);
        let (answer, clock, order) = (self.0.call(request), self.1.clock, self.1.order.clone());
        HttpConnectorFuture::new(async move {
            let number = {
                let mut order = order.lock().unwrap();
                let number = order.0.len();
                order.0.push(number);
                number
            };
            let answer = answer.await;
            clock.sleep(late).await;
            order.lock().unwrap().1.push(number);
            answer
        })
    }
}

/// What came of planning.
pub(super) struct Made {
    /// The plan as it is saved; or what speaks against it.
    pub(super) saved: Result<String, String>,
    /// Whether answers came in another order than they were asked for.
    pub(super) is_mixed: bool,
}

/// Plans in a world of its own, in which every answer is late.
pub(super) async fn planned_with_late_answers(world: &str, playbook: &str, seed: u64) -> Made {
    let world = World::parse(world).unwrap();
    let clock = Clock::starting_at(world.now());
    let cloud = Cloud::new(&world, clock);
    let late = Late { prompt: cloud.http_client(), seed, clock, order: Arc::default() };
    let order = Arc::clone(&late.order);
    let connection = connect_through(SharedHttpClient::new(late), &cloud, clock);
    let made = plan_through(connection, clock, &read(playbook), &BTreeMap::new(), &terms()).await;
    let order = order.lock().unwrap();
    Made { saved: made.map(|saved| saved.to_text()).map_err(told), is_mixed: order.0 != order.1 }
}

pub(super) fn told(problems: Vec<Diagnostic>) -> String {
    portcullis::cli::diagnostics::text(&problems.into(), false)
}

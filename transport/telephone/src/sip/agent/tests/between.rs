//! Two agents and a network that loses, repeats and reorders: calls come about and end, whatever
//! it does.
use super::*;
use crate::sip::{
    agent::{Invite, LegEnd},
    uri::Uri,
};

struct Network {
    agents: [UserAgent; 2],
    /// When, to whom, from whom, what.
    travelling: Vec<(Duration, usize, Vec<u8>)>,
    seed: u32,
    lost_of_ten: u32,
    told: [Vec<Told>; 2],
}

const ADDRESSES: [&str; 2] = ["127.0.0.1:5060", "127.0.0.2:5060"];

impl Network {
    fn new(lost_of_ten: u32, seed: u32) -> Network {
        let agents = ADDRESSES.map(|address| UserAgent::new(settings(address)));
        Network {
            agents,
            travelling: Vec::new(),
            seed,
            lost_of_ten,
            told: [Vec::new(), Vec::new()],
        }
    }

    fn random(&mut self) -> u32 {
        self.seed = self
            .seed
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.seed >> 16
    }

    fn settle(&mut self, now: Duration) {
        for n in 0..2 {
            while let Some(output) = self.agents[n].poll() {
                match output {
                    Output::Transmit(transmit) => {
                        let copies = if self.random() % 10 < self.lost_of_ten {
                            0
                        } else {
                            1 + self.random() % 10 / 8
                        };
                        for _ in 0..copies {
                            let delay = Duration::from_millis(u64::from(self.random() % 80));
                            self.travelling
                                .push((now + delay, 1 - n, transmit.bytes.clone()));
                        }
                    }
                    Output::Told(fact) => {
                        self.react(now, n, &fact);
                        self.told[n].push(fact);
                    }
                }
            }
        }
    }

    fn react(&mut self, now: Duration, n: usize, fact: &Told) {
        match fact {
            Told::Incoming { leg, .. } => {
                self.agents[n].ring(now, *leg);
                self.agents[n].accept(now, *leg, SDP);
            }
            Told::Offered { leg, .. } => self.agents[n].answer_offer(now, *leg, Some(SDP)),
            _ => {}
        }
    }

    fn run(&mut self, from: Duration, until: Duration) {
        let mut now = from;
        while now < until {
            self.settle(now);
            let (arrived, travelling) = std::mem::take(&mut self.travelling)
                .into_iter()
                .partition(|(at, ..)| *at <= now);
            self.travelling = travelling;
            let arrived: Vec<(Duration, usize, Vec<u8>)> = arrived;
            for (_, to, bytes) in arrived {
                let from = flow(ADDRESSES[1 - to]);
                self.agents[to].received(now, from, &bytes);
            }
            for agent in &mut self.agents {
                agent.tick(now);
            }
            self.settle(now);
            now += Duration::from_millis(10);
        }
    }
}

#[test]
fn a_call_survives_a_bad_network() {
    for seed in 0..40 {
        let mut network = Network::new(3, seed);
        let leg = network.agents[0].invite(
            Duration::ZERO,
            Invite {
                target: Uri::parse("sip:bob@127.0.0.2:5060").unwrap(),
                flow: flow(ADDRESSES[1]),
                from: Uri::parse("sip:alice@127.0.0.1").unwrap(),
                offer: SDP.into(),
                account: None,
                headers: Default::default(),
            },
        );
        network.run(Duration::ZERO, at(30.0));
        let answered = network.told[0]
            .iter()
            .filter(|fact| matches!(fact, Told::Answered { .. }))
            .count();
        let incoming = network.told[1]
            .iter()
            .filter(|fact| matches!(fact, Told::Incoming { .. }))
            .count();
        assert_eq!((answered, incoming), (1, 1), "seed {seed}");
        network.agents[0].hang_up(at(30.0), leg);
        network.run(at(30.0), at(70.0));
        let ends = |n: usize| {
            network.told[n]
                .iter()
                .filter(|fact| matches!(fact, Told::Ended { .. }))
                .count()
        };
        assert_eq!((ends(0), ends(1)), (1, 1), "seed {seed}");
        assert_eq!(
            (network.agents[0].n_legs(), network.agents[1].n_legs()),
            (0, 0),
            "seed {seed}"
        );
    }
}

#[test]
fn a_dead_network_leaves_nothing_behind() {
    let mut network = Network::new(10, 1);
    network.agents[0].invite(
        Duration::ZERO,
        Invite {
            target: Uri::parse("sip:bob@127.0.0.2:5060").unwrap(),
            flow: flow(ADDRESSES[1]),
            from: Uri::parse("sip:alice@127.0.0.1").unwrap(),
            offer: SDP.into(),
            account: None,
            headers: Default::default(),
        },
    );
    network.run(Duration::ZERO, at(40.0));
    assert!(matches!(
        network.told[0][..],
        [Told::Ended {
            end: LegEnd::Refused(408),
            ..
        }]
    ));
    assert_eq!(network.agents[0].n_legs(), 0);
    assert_eq!(network.agents[0].deadline(), None, "nothing is waited for");
}

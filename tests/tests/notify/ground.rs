//! The ground of the tests of notify: a development stack with its S3, EventBridge and KMS.

use std::{fs, path::PathBuf, time::Duration};

use hallpass_audit::{Finding, Options, Report};
use hallpass_notify::{Digested, Event, Notify, OnReuse, Response};
use hallpass_sinks::{
    Bucket,
    verification::{self, Progress},
};
use hallpass_token::{Cause, TokenId};
use serde_json::json;
use tests::{api::bearer, system::System};

/// A development stack, and notify over its services.
pub(super) struct Ground {
    pub(super) system: System,
    pub(super) notify: Notify,
    pub(super) admin: String,
}

impl Ground {
    pub(super) async fn start(settings: &[(&str, &str)]) -> Self {
        let system = System::start(settings).await;
        let mut notify = Notify::new(&system.dev().stack.lookup()).unwrap();
        notify.on_reuse = OnReuse::Alarm;
        let admin = system.token_of("admin", "letmein").await;
        Self { system, notify, admin }
    }

    pub(super) fn bucket(&self) -> &Bucket {
        &self.notify.audit.as_ref().unwrap().0
    }

    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let lookup = self.system.dev().stack.lookup();
        hallpass_service::service::connection(&lookup).unwrap().dynamodb()
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.system.data().join("s3").join("hallpass-audit").join("audit")
    }

    /// Returns the files of the objects, in the order of their keys.
    pub(super) fn files(&self, area: &str) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.objects().join(area)]);
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }

    pub(super) async fn created(&self, name: &str) -> (TokenId, String) {
        let body = self.system.created(&self.admin, &json!({"name": name})).await;
        (body["id"].as_str().unwrap().parse().unwrap(), body["token"].as_str().unwrap().to_owned())
    }

    /// Runs the hourly schedule.
    pub(super) async fn digest(&self) -> Digested {
        let cause = Cause::system(self.system.now());
        match self.notify.handle(Event::Schedule, &cause, &|| true).await.unwrap() {
            Response::Digested(digested) => digested,
            Response::Stream(_) => panic!("no digest"),
        }
    }

    pub(super) async fn verify(&self) -> (Report, Vec<Finding>) {
        let key = &self.notify.audit.as_ref().unwrap().1;
        let options = Options {
            keys: [key.public_key().await.unwrap()].into(),
            now: self.system.now(),
            lag: Duration::ZERO,
            expected_digest: None,
            from: None,
            has_table: true,
        };
        let mut findings = Vec::new();
        let store = self.system.store();
        let verifying = verification::verify(self.bucket(), options, Some(&store), |progress| {
            if let Progress::Found(finding) = progress {
                findings.push(finding);
            }
        });
        let report = verifying.await.unwrap().report;
        (report, findings)
    }

    /// Checks that the log is complete and the table is what it says.
    pub(super) async fn check_complete(&self) -> Report {
        let (report, findings) = self.verify().await;
        assert_eq!(findings, [], "{report:?}");
        assert_eq!(report.equal, report.records, "{report:?}");
        report
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        let events = self.system.events();
        events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends what everything of a token's life consists of.
    pub(super) async fn live_through(&self) {
        let (id, token) = self.created("one").await;
        let path = format!("/tokens/{id}");
        for disabled in [true, false] {
            let body = json!({"disabled": disabled});
            self.system.json("PATCH", &path, &bearer(&self.admin), &body).await.body_of(200);
        }
        let rotated = self.system.ask("POST", &format!("{path}/rotate"), &bearer(&token)).await;
        let rotated = rotated.body_of(201)["token"].as_str().unwrap().to_owned();
        assert_eq!(self.system.verdict(&rotated).await, "allow");
        let (other, _) = self.created("other").await;
        let path = format!("/tokens/{other}?reason=lost+laptop");
        self.system.ask("DELETE", &path, &bearer(&self.admin)).await.body_of(200);
        for _ in 0..2 {
            let path = "/profile/developer";
            self.system.ask("POST", path, &bearer(&self.admin)).await.body_of(201);
        }
    }
}

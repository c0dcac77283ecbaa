use serde_json::{Value, json};

use super::*;

fn spec(change: impl FnOnce(&mut Value)) -> TaskDefinitionSpec {
    let mut spec = json!({
        "cpu": 256, "memory": 512, "executionRole": {"ref": "Role/p8"},
        "containers": [{
            "name": "mongodb", "image": "mongo:7.0", "ports": [27017],
            "secrets": {"MONGO_INITDB_ROOT_PASSWORD": {"ref": "Secret/p8/mongodb", "key": "password"}},
            "logs": {"group": {"ref": "LogGroup//ecs/p8"}, "streamPrefix": "mongo"}
        }]
    });
    change(&mut spec);
    serde_json::from_value(spec).expect("a spec")
}

fn found(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let faults = faults(&Meta::named("p8-mongodb-task"), &spec(change));
    faults.iter().map(|fault| format!("{}: {}{}", fault.path, fault.message, rule(fault))).collect()
}

fn rule(fault: &Fault) -> String {
    fault.rule.map(|rule| format!(" [{rule}]")).unwrap_or_default()
}

#[test]
fn the_reference_task_has_no_fault() {
    assert_eq!(found(|_| ()), Vec::<String>::new());
}

#[test]
fn fargate_sizes_are_pairs() {
    for (cpu, memory) in [(256, 2048), (512, 4096), (1024, 8192), (4096, 30720), (8192, 20480), (16384, 40960)] {
        assert_eq!(size(cpu, memory), None, "{cpu} with {memory}");
    }
    for (cpu, memory) in [(256, 4096), (256, 1536), (256, 1000), (512, 512), (1024, 2000), (8192, 17408), (16384, 122_881)] {
        assert_eq!(size(cpu, memory).expect("a fault").path, "/memory", "{cpu} with {memory}");
    }
    assert_eq!(size(300, 512).expect("a fault").path, "/cpu");
    assert_eq!(found(|spec| spec["memory"] = json!(4096)), ["/memory: Fargate offers no 4096 MiB with 256 CPU units"]);
}

#[test]
fn an_image_says_which_one_it_is() {
    for good in ["mongo:7.0", "host:5000/mongo:7", "mongo@sha256:aa", "public.ecr.aws/docker/library/mongo:7.0"] {
        assert!(is_tagged(good), "{good}");
    }
    for bad in ["mongo", "mongo:latest", "host:5000/mongo", "mongo:"] {
        assert!(!is_tagged(bad), "{bad}");
    }
    let untagged = ["/containers/0/image: `mongo` does not say which version runs [untagged-image]"];
    assert_eq!(found(|spec| spec["containers"][0]["image"] = json!("mongo")), untagged);
    assert_eq!(found(|spec| spec["containers"][0]["image"] = json!({"ref": "Repository/meteoctl", "key": "1.2.0"})), Vec::<String>::new());
    assert_eq!(found(|spec| spec["containers"][0]["image"] = json!({"ref": "Repository/meteoctl"})).len(), 1);
}

#[test]
fn a_secret_in_plain_text_is_refused() {
    let plain = |name: &str, value: &str| found(|spec| spec["containers"][0]["environment"] = json!({ name: value }));
    for name in ["MONGO_PASSWORD", "api_token", "AWS_SECRET_ACCESS_KEY", "APIKEY", "db-passwd"] {
        assert_eq!(plain(name, "x").len(), 1, "{name}");
        assert!(plain(name, "x")[0].ends_with("[literal-secret]"), "{name}");
    }
    for name in ["PASSWORD_FILE", "SECRET_ARN", "KEYBOARD", "AWS_ACCESS_KEY_ID", "TZ", "SECRETARY"] {
        assert_eq!(plain(name, "x"), Vec::<String>::new(), "{name}");
    }
    assert_eq!(plain("MONGO_URI", "mongodb://meteo:hunter2@host/db").len(), 1);
    assert_eq!(plain("MONGO_URI", "mongodb://host:27017/db@x"), Vec::<String>::new());
    assert!(!plain("MONGO_URI", "mongodb://meteo:hunter2@host/db")[0].contains("hunter2"));
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = found(|spec| {
        spec["executionRole"] = Value::Null;
        spec["ephemeralStorage"] = json!(20);
        let container = &mut spec["containers"][0];
        container["mountPoints"] = json!([{"volume": "data", "path": "/data/db"}]);
        container["dependsOn"] = json!([{"container": "init", "condition": "SUCCESS"}]);
        container["healthCheck"] = json!({"command": ["mongosh"], "interval": 1});
        container["memory"] = json!(1024);
        container["stopTimeout"] = json!(300);
        container["logs"]["group"] = json!({"ref": "Bucket/b"});
    });
    insta::assert_snapshot!(faults.join("\n"), @r"
    /ephemeralStorage: Fargate offers 21 to 200 GiB, not 20; 20 is what you get without it
    /executionRole: container `mongodb` has secrets or logs, which ECS can reach only with an execution role
    /containers/0/logs/group: refers to Bucket/b, but a LogGroup is needed here
    /containers/0/mountPoints/0/volume: there is no volume `data`
    /containers/0/dependsOn/0/container: there is no other container `init`
    /containers/0/healthCheck/interval: must lie between 5 and 300
    /containers/0/healthCheck/command: the first word must be CMD (a program and its arguments) or CMD-SHELL (a line for the shell)
    /containers/0/memory: more than the task's 512 MiB
    /containers/0/stopTimeout: Fargate waits at most 120 seconds
    ");
}

#[test]
fn names_and_ports_are_unique() {
    let faults = found(|spec| {
        let twin = spec["containers"][0].clone();
        spec["containers"].as_array_mut().expect("a list").push(twin);
        spec["containers"].as_array_mut().expect("a list").push(json!({"name": "other", "image": "x:1", "ports": [27017]}));
        spec["volumes"] = json!([{"name": "a", "rootDirectory": "/x"}]);
    });
    insta::assert_snapshot!(faults.join("\n"), @r"
    /volumes/0/fileSystem: accessPoint, rootDirectory and iam say something about a file system, but there is none
    /containers/1/name: `mongodb` appears twice
    /containers/2/ports: port 27017 is taken by `mongodb`: the containers of a task share one network
    ");
}

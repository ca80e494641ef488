use std::cell::RefCell;
use std::fs;
use std::path::Path;

use clap::Parser;

use super::super::testing::Dir;
use super::*;

#[derive(Debug, Parser)]
struct Asked {
    #[command(flatten)]
    args: ReportArgs,
}

fn parse(words: &[&str]) -> Result<ReportArgs, clap::Error> {
    Asked::try_parse_from([&["aigen"], words].concat()).map(|asked| asked.args)
}

/// Diagnostics that has so many pages of one process each, and then breaks where it is to.
struct Pages {
    left: RefCell<u32>,
    breaks: bool,
    asked: RefCell<Vec<Value>>,
}

impl Pages {
    fn of(pages: u32, breaks: bool) -> Self {
        Self { left: RefCell::new(pages), breaks, asked: RefCell::default() }
    }
}

impl Functions for Pages {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        assert_eq!(name, "diagnostics");
        self.asked.borrow_mut().push(payload.clone());
        *self.left.borrow_mut() -= 1;
        let left = *self.left.borrow();
        anyhow::ensure!(left > 0 || !self.breaks, "it is away");
        let now = super::super::now();
        let process = json!({
            "processId": "p", "type": "T", "status": "PENDING",
            "createdAt": now - TimeDelta::hours(1), "updatedAt": now, "events": [],
        });
        let mut data = json!({"processes": [process]});
        if left > 0 {
            data["nextCursor"] = json!(format!("cursor {left}"));
        }
        Ok(json!({"success": true, "data": data}))
    }

    fn as_typed(&self, told: String) -> String {
        told.replace("cargo aigen ", "aigen --stack x ")
    }
}

async fn report(path: &Path, more: &[&str], pages: &Pages) -> Result<ExitCode> {
    let path = path.to_str().unwrap();
    let args = parse(&[&["--html", path, "--lang", "ja"], more].concat()).unwrap();
    run(&args, Some(("x", "eu-west-1")), pages).await
}

#[test]
fn hours_and_prices_that_are_none_are_refused() {
    let args = parse(&["--html", "f", "--utc-offset", "-03:30", "--price", "m=3,15"]).unwrap();
    assert_eq!((args.hours.hours, args.utc_offset.local_minus_utc()), (24, -12_600));
    for wrong in [&["--hours", "0"], &["--hours", "745"], &["--price", "m"], &["--lang", "fr"]] {
        assert!(parse(&[&["--html", "f"][..], wrong].concat()).is_err(), "{wrong:?}");
    }
    assert!(parse(&[]).is_err(), "where to is to be said");
}

#[tokio::test]
async fn all_pages_are_asked_for_without_texts_and_the_file_is_whole() {
    let dir = Dir::of("report-whole");
    let path = dir.path().join("page.html");
    let pages = Pages::of(3, false);
    report(&path, &["--hours", "2"], &pages).await.unwrap();
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"), "{page}");
    assert!(page.contains("スタック x(eu-west-1)") && page.contains("aigen --stack x health"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    let asked = pages.asked.borrow();
    let cursors: Vec<_> = asked.iter().map(|asked| asked["cursor"].clone()).collect();
    assert_eq!(cursors, [Value::Null, json!("cursor 2"), json!("cursor 1")]);
    assert!(asked.iter().all(|asked| asked["withoutTexts"] == true && asked["check"] == "export"));
    assert!(asked.iter().all(|asked| asked["lang"] == "ja"), "a refusal is to be read too");
    let time = |name: &str| asked[0][name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(time("until") - time("since"), TimeDelta::hours(2 + LEAD));
}

#[tokio::test]
async fn where_it_breaks_off_the_page_of_before_stays() {
    let dir = Dir::of("report-broken");
    let path = dir.path().join("page.html");
    fs::write(&path, "a page of before").unwrap();
    let error = report(&path, &[], &Pages::of(2, true)).await.unwrap_err();
    assert!(format!("{error:#}").contains("it is away"), "{error:#}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a page of before");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn where_it_cannot_be_written_nothing_is_asked() {
    let pages = Pages::of(1, false);
    let error = report(Path::new("/dev/null/page.html"), &[], &pages).await.unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error:#}");
    assert!(pages.asked.borrow().is_empty());
}

//! Chromium, driven through chromedriver. Nothing here waits for time, only for what can be seen.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock, Mutex, Weak},
    time::Duration,
};

use serde_json::{Value, json};
use thirtyfour::{
    By, ChromiumLikeCapabilities, Cookie, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver, WebElement,
    WindowHandle, error::WebDriverResult,
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(15);
const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
];

/// More browsers at once would only be slower.
static BROWSERS: Semaphore = Semaphore::const_new(2);
/// The one that runs; it ends with the last browser.
static DRIVER: LazyLock<Mutex<Weak<Chromedriver>>> = LazyLock::new(Mutex::default);

/// A running chromedriver.
struct Chromedriver {
    child: Child,
    url: String,
}

impl Chromedriver {
    /// The one that runs, or a new one; `None` where there is none on this machine.
    fn shared() -> Option<Arc<Chromedriver>> {
        let Some(path) = env::var_os("KEYWARD_TEST_CHROMEDRIVER").filter(|path| !path.is_empty()) else {
            eprintln!("skipped: KEYWARD_TEST_CHROMEDRIVER is not set");
            return None;
        };
        let mut shared = DRIVER.lock().unwrap();
        if let Some(driver) = shared.upgrade() {
            return Some(driver);
        }
        let mut command = Command::new(path);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("chromedriver starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?.trim_end_matches('.').parse().ok()
        });
        let port: u16 = port.expect("chromedriver tells its port");
        // it ends where it cannot write
        std::thread::spawn(move || lines.for_each(drop));
        let driver = Arc::new(Chromedriver { child, url: format!("http://127.0.0.1:{port}") });
        *shared = Arc::downgrade(&driver);
        Some(driver)
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser with nothing in it. Its parts end in this order.
pub struct Chrome {
    pub driver: WebDriver,
    _profile: tempfile::TempDir,
    _chromedriver: Arc<Chromedriver>,
    _permit: SemaphorePermit<'static>,
}

impl Chrome {
    /// A new browser; `None` where there is none on this machine.
    pub async fn open(javascript: bool) -> Option<Chrome> {
        let permit = BROWSERS.acquire().await.unwrap();
        let chromedriver = Chromedriver::shared()?;
        let profile = tempfile::Builder::new().prefix("keyward-chromium-").tempdir().unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wanted.add_arg(flag).unwrap();
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        if let Ok(path) = env::var("KEYWARD_TEST_CHROMIUM") {
            wanted.set_binary(&path).unwrap();
        }
        if !javascript {
            let off = json!({"profile.managed_default_content_settings.javascript": 2});
            wanted.add_experimental_option("prefs", off).unwrap();
        }
        wanted.set_logging_prefs("browser", LoggingPrefsLogLevel::All).unwrap();
        wanted.set_logging_prefs("performance", LoggingPrefsLogLevel::All).unwrap();
        let driver = WebDriver::new(&chromedriver.url, wanted).await.expect("Chromium starts");
        Some(Chrome { driver, _profile: profile, _chromedriver: chromedriver, _permit: permit })
    }

    /// Opens an address.
    pub async fn go(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Waits until a page with this title is there: the part before the server's name.
    pub async fn page(&self, title: &str) {
        let seen = wait_for(async || {
            let found = self.driver.title().await?;
            let ready = self.js("return document.readyState").await? == "complete";
            Ok((ready && found.split(" · ").next() == Some(title)).then_some(()))
        });
        if seen.await.is_none() {
            let url = self.driver.current_url().await.map(String::from);
            let found = self.driver.title().await;
            panic!("expected the page {title:?}, got {found:?} at {url:?}: {}", self.text("body").await);
        }
    }

    /// Runs a script in the page.
    pub async fn js(&self, script: &str) -> WebDriverResult<Value> {
        Ok(self.driver.execute(script, Vec::new()).await?.json().clone())
    }

    /// The element with this selector, once it is there.
    pub async fn find(&self, selector: &str) -> WebElement {
        let found = wait_for(async || self.driver.find(By::Css(selector)).await.map(Some)).await;
        found.unwrap_or_else(|| panic!("there is no {selector}"))
    }

    /// How many elements have this selector.
    pub async fn count(&self, selector: &str) -> usize {
        self.driver.find_all(By::Css(selector)).await.unwrap().len()
    }

    /// The text of an element.
    pub async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    /// What is in a field.
    pub async fn value(&self, id: &str) -> String {
        self.find(&format!("#{id}")).await.prop("value").await.unwrap().unwrap_or_default()
    }

    /// Puts a text into a field.
    pub async fn fill(&self, id: &str, text: &str) {
        let field = self.find(&format!("#{id}")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses what has this id.
    pub async fn click(&self, id: &str) {
        self.find(&format!("#{id}")).await.click().await.unwrap();
    }

    /// Presses what has this id, and waits for the page to which it leads; that may have the same title.
    pub async fn follow(&self, id: &str) {
        self.js("document.left = true").await.unwrap();
        self.click(id).await;
        let arrived = "return !document.left && document.readyState === 'complete'";
        let arrived = wait_for(async || Ok((self.js(arrived).await? == true).then_some(())));
        assert!(arrived.await.is_some(), "{id} leads nowhere");
    }

    /// Presses a button twice, as fast as it can be.
    pub async fn click_twice(&self, id: &str) {
        let script = format!("const b = document.getElementById('{id}'); b.click(); setTimeout(() => b.click(), 0)");
        self.js(&script).await.unwrap();
    }

    /// The id of what has the focus.
    pub async fn focused(&self) -> String {
        let id = self.js("return document.activeElement.id").await.unwrap();
        id.as_str().unwrap_or_default().to_owned()
    }

    /// The tab that is in front.
    pub async fn tab(&self) -> WindowHandle {
        self.driver.window().await.unwrap()
    }

    /// A new tab, in front.
    pub async fn new_tab(&self) -> WindowHandle {
        let tab = self.driver.new_tab().await.unwrap();
        self.front(&tab).await;
        tab
    }

    /// Brings a tab to the front.
    pub async fn front(&self, tab: &WindowHandle) {
        self.driver.switch_to_window(tab.clone()).await.unwrap();
    }

    /// The cookie whose name begins like this.
    pub async fn cookie(&self, prefix: &str) -> Option<Cookie> {
        let cookies = self.driver.get_all_cookies().await.unwrap();
        cookies.into_iter().find(|cookie| cookie.name.starts_with(prefix))
    }

    /// Tells Chromium something by its own protocol.
    pub async fn devtools(&self, method: &str, parameters: Value) {
        self.driver.cdp().send_raw(method, parameters).await.unwrap();
    }

    /// Closes the browser, and looks at what it has to say: that nothing was complained about, and that nothing was
    /// asked of anybody but these origins.
    pub async fn close(self, origins: &[&str]) {
        let complaints: Vec<String> = self.driver.browser_log().await.unwrap().into_iter().map(|e| e.message).collect();
        // Chromium calls any page whose status is 4xx a resource that failed to load; of a file it would be true
        let expected = |message: &str| {
            // advice about forms, which the viewer of the API does not follow
            message.contains("/resources/docs - [DOM]")
                // Chromium misses the field at times on a page that has it, as the test of that page sees
                || message.contains("/password?") && message.contains("[DOM] Password forms should have (optionally hidden)")
                || message.contains("Failed to load resource: the server responded with a status of 4")
                    && !message.contains("/static/")
        };
        let complaints: Vec<_> = complaints.iter().filter(|message| !expected(message)).collect();
        let log = self.driver.get_log("performance").await.unwrap();
        let asked: Vec<String> = log.iter().filter_map(|entry| requested(&entry.message)).collect();
        self.driver.clone().quit().await.unwrap();
        assert!(complaints.is_empty(), "Chromium complained: {complaints:#?}");
        assert!(!asked.is_empty(), "nothing was asked of anybody");
        let own = |url: &String| {
            let rest = origins.iter().find_map(|origin| url.strip_prefix(origin));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                || url.starts_with("data:")
                || url.starts_with("chrome:")
        };
        let foreign: Vec<_> = asked.iter().filter(|url| !own(url)).collect();
        assert!(foreign.is_empty(), "others were asked: {foreign:#?}");
    }
}

impl Drop for Chrome {
    /// Where a test fails before the browser is closed, it ends at once.
    fn drop(&mut self) {
        if self.driver.clone().leak().is_ok()
            && let Some(process) = self.driver.capabilities().get("goog:processID")
        {
            let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
        }
    }
}

/// The address of which an entry of the performance log says that it was asked for.
fn requested(entry: &str) -> Option<String> {
    let entry: Value = serde_json::from_str(entry).ok()?;
    let message = &entry["message"];
    let begins = message["method"] == "Network.requestWillBeSent";
    begins.then(|| message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
}

/// Looks until something is seen; what fails meanwhile, as in a page that is just going away, is looked at again.
pub async fn wait_for<T>(mut look: impl AsyncFnMut() -> WebDriverResult<Option<T>>) -> Option<T> {
    let looking = async {
        loop {
            if let Ok(Some(seen)) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.ok()
}

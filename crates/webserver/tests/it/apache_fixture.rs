//! Files of an Apache, laid out as in Debian.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

/// Folder of the modules of Debian.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Modules that the features need.
const LOADED: &[&str] = &[
    "mpm_event",
    "authz_core",
    "authz_host",
    "authz_user",
    "authn_core",
    "authn_file",
    "auth_basic",
    "dir",
    "autoindex",
    "alias",
    "headers",
    "mime",
    "deflate",
    "filter",
    "env",
    "socache_shmcb",
    "ssl",
    "reqtimeout",
    "http2",
    "proxy",
    "slotmem_shm",
    "lbmethod_byrequests",
    "proxy_balancer",
    "proxy_http",
    "proxy_fcgi",
];

/// Writes the files of an Apache with the site `main`.
pub(crate) fn write_files(folder: &Path, port: u16) {
    // Workers of root are another user, who must be able to read the content.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = fs::canonicalize(folder).unwrap();
    for name in ["mods-enabled", "sites-available", "sites-enabled", "logs", "run", "www/main/files"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let at = folder.display();
    let is_root = fs::metadata(&folder).unwrap().uid() == 0;
    let user = if is_root { "User ${APACHE_RUN_USER}\nGroup ${APACHE_RUN_GROUP}\n" } else { "" };
    let envvars = format!(
        "unset HOME\nSUFFIX=\nexport APACHE_RUN_USER=www-data\nexport APACHE_RUN_GROUP=www-data\n\
         export APACHE_RUN_DIR={at}/run$SUFFIX\nexport APACHE_PID_FILE=\"$APACHE_RUN_DIR/apache2.pid\"\n\
         export APACHE_LOG_DIR={at}/logs\n"
    );
    let main = format!(
        "DefaultRuntimeDir ${{APACHE_RUN_DIR}}\nPidFile ${{APACHE_PID_FILE}}\nMutex file:${{APACHE_RUN_DIR}} default\n\
         {user}ServerName localhost\nErrorLog ${{APACHE_LOG_DIR}}/error.log\nLogLevel warn\nStartServers 1\n\
         IncludeOptional mods-enabled/*.load\n<IfModule mpm_event_module>\n    ServerLimit 2\n    ThreadsPerChild 5\n\
         \x20   MaxRequestWorkers 10\n    MinSpareThreads 1\n    MaxSpareThreads 6\n</IfModule>\nInclude ports.conf\n\
         <IfModule mod_mime.c>\n    TypesConfig mime.types\n</IfModule>\n\
         <Directory />\n    Options FollowSymLinks\n    AllowOverride None\n    Require all denied\n</Directory>\n\
         <FilesMatch \"^\\.ht\">\n    Require all denied\n</FilesMatch>\n\
         LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O\" combined\nCustomLog ${{APACHE_LOG_DIR}}/access.log combined\n\
         IncludeOptional sites-enabled/*.conf\n"
    );
    let modules: String =
        LOADED.iter().map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n")).collect();
    let site = format!(
        "# The main site.\n<VirtualHost 127.0.0.1:{port}>\n    # telarch-site: main\n    DocumentRoot {at}/www/main\n\
         \x20   <Directory {at}/www>\n        Require all granted\n    </Directory>\n    <Location \"/files/\">\n\
         \x20   </Location>\n</VirtualHost>\n"
    );
    for (name, text) in [
        ("envvars", envvars.as_str()),
        ("apache2.conf", &main),
        ("mods-enabled/all.load", &modules),
        ("ports.conf", &format!("# Addresses\nListen 127.0.0.1:{port}\n")),
        ("mime.types", "text/html html\ntext/plain txt\n"),
        ("sites-available/main.conf", &site),
        ("www/main/index.html", "main page"),
        ("www/main/other.txt", &"other ".repeat(100)),
        ("www/main/files/a.txt", "a"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    symlink("../sites-available/main.conf", folder.join("sites-enabled/main.conf")).unwrap();
}

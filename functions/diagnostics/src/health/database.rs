//! The database that cannot be used: which trouble it is, and what helps.

use serde_json::json;
use shared::{process::Failure, store::DatabaseTrouble};

use crate::finding::{Finding, Severity};
use crate::words::Words;

/// The name of a trouble.
pub(super) const fn code(trouble: DatabaseTrouble) -> &'static str {
    match trouble {
        DatabaseTrouble::SecretDenied => "DATABASE_SECRET_DENIED",
        DatabaseTrouble::SecretMissing => "DATABASE_SECRET_MISSING",
        DatabaseTrouble::SecretMalformed => "DATABASE_SECRET_MALFORMED",
        DatabaseTrouble::SecretUnreachable => "DATABASE_SECRET_UNREACHABLE",
        DatabaseTrouble::NameUnknown => "DATABASE_NAME_UNKNOWN",
        DatabaseTrouble::Refused => "DATABASE_REFUSED",
        DatabaseTrouble::NoAnswer => "DATABASE_NO_ANSWER",
        DatabaseTrouble::Tls => "DATABASE_TLS_FAILED",
        DatabaseTrouble::PasswordRefused => "DATABASE_PASSWORD_REFUSED",
        DatabaseTrouble::LoginRefused => "DATABASE_LOGIN_REFUSED",
        DatabaseTrouble::NoSuchDatabase => "DATABASE_UNKNOWN",
        DatabaseTrouble::TooManyClients => "DATABASE_TOO_MANY_CLIENTS",
        DatabaseTrouble::StartingUp => "DATABASE_STARTING_UP",
        DatabaseTrouble::ShuttingDown => "DATABASE_SHUTTING_DOWN",
        DatabaseTrouble::ReadOnly => "DATABASE_READ_ONLY",
        DatabaseTrouble::DiskFull => "DATABASE_DISK_FULL",
        DatabaseTrouble::SchemaMissing => "MIGRATIONS_MISSING",
        DatabaseTrouble::PrivilegeMissing => "DATABASE_PRIVILEGE_MISSING",
        DatabaseTrouble::TooSlow => "DATABASE_TOO_SLOW",
        DatabaseTrouble::Other => "DATABASE_FAILED",
    }
}

/// What it is, and what helps, in Japanese and in English.
#[expect(clippy::too_many_lines, reason = "it is a table")]
const fn told(trouble: DatabaseTrouble) -> [(&'static str, &'static str); 2] {
    match trouble {
        DatabaseTrouble::SecretDenied => [
            (
                "データベースのシークレットを読む権限がありません",
                "the function may not read the database secret",
            ),
            (
                "関数のロールに secretsmanager:GetSecretValue（独自の KMS キーなら kms:Decrypt \
                 も）を許可してください",
                "allow the function's role secretsmanager:GetSecretValue, and kms:Decrypt where \
                 the secret has a key of its own",
            ),
        ],
        DatabaseTrouble::SecretMissing => [
            ("データベースのシークレットがありません", "there is no such database secret"),
            (
                "DATABASE_SECRET_ARN がこの環境のシークレットを指しているか確認してください",
                "see whether DATABASE_SECRET_ARN names the secret of this environment",
            ),
        ],
        DatabaseTrouble::SecretMalformed => [
            (
                "データベースのシークレットの形式が正しくありません",
                "the database secret is not as it should be",
            ),
            (
                "シークレットに username と password、必要なら host、port、dbname \
                 を入れてください",
                "give it username and password, and where they are not configured host, port \
                 and dbname",
            ),
        ],
        DatabaseTrouble::SecretUnreachable => [
            ("Secrets Manager に接続できません", "Secrets Manager cannot be reached"),
            (
                "VPC に Secrets Manager のエンドポイントか NAT があるか確認してください",
                "see whether the VPC has an endpoint for Secrets Manager, or a NAT gateway",
            ),
        ],
        DatabaseTrouble::NameUnknown => [
            ("データベースのホスト名が見つかりません", "the database's host name is not known"),
            (
                "シークレットの host（または DatabaseHost）の綴りと、VPC の DNS \
                 を確認してください",
                "check the spelling of the secret's host (or DatabaseHost), and the VPC's DNS",
            ),
        ],
        DatabaseTrouble::Refused => [
            (
                "データベースが接続を拒否しました：そのポートでは誰も待ち受けていません",
                "the database refuses connections: nobody listens at that port",
            ),
            (
                "データベースが起動しているか、ポートが正しいか確認してください",
                "see whether it has been started, and whether the port is right",
            ),
        ],
        DatabaseTrouble::NoAnswer => [
            ("データベースから応答がありません", "the database does not answer"),
            (
                "経路、セキュリティグループ、サーバーの負荷を確認してください",
                "look at the route, the security groups, and the server's load",
            ),
        ],
        DatabaseTrouble::Tls => [
            ("データベースとの TLS 接続に失敗しました", "TLS to the database failed"),
            (
                "証明書の認証局（DATABASE_CA_FILE）、ホスト名、DatabaseTls を確認してください",
                "check the certificate's authority (DATABASE_CA_FILE), the host name, and \
                 DatabaseTls",
            ),
        ],
        DatabaseTrouble::PasswordRefused => [
            ("データベースのパスワードが違います", "the database refuses the password"),
            (
                "シークレットのパスワードがこの環境のものか、\
                 ローテーションが途中で止まっていないか確認してください",
                "see whether the secret is this environment's, and whether a rotation has \
                 stopped half-way",
            ),
        ],
        DatabaseTrouble::LoginRefused => [
            ("データベースがログインを認めません", "the database does not let this user in"),
            (
                "ユーザー名、pg_hba.conf、暗号化の要求（rds.force_ssl）を確認してください。\
                 DatabaseLogin=iam なら、DB ロールの rds_iam、関数のロールの rds-db:connect、\
                 DatabaseHost がサーバー自身の名前であることも確認してください",
                "check the user's name, pg_hba.conf, and whether it asks for TLS \
                 (rds.force_ssl); with DatabaseLogin=iam also the database role's rds_iam, the \
                 function's rds-db:connect, and that DatabaseHost is the server's own name",
            ),
        ],
        DatabaseTrouble::NoSuchDatabase => [
            ("その名前のデータベースはありません", "there is no database of that name"),
            (
                "シークレットの dbname（または DatabaseName）を確認してください",
                "check the secret's dbname (or DatabaseName)",
            ),
        ],
        DatabaseTrouble::TooManyClients => [
            (
                "データベースの接続数が上限に達しています",
                "all connections of the database are taken",
            ),
            (
                "使われていない接続を終了するか、max_connections を上げるか、\
                 プーラーを入れてください",
                "end sessions that nobody uses, raise max_connections, or put a pooler in front",
            ),
        ],
        DatabaseTrouble::StartingUp => [
            ("データベースは起動中です", "the database is starting up"),
            (
                "数分待って、もう一度確認してください。自動的に回復します",
                "wait some minutes and look again; it heals by itself",
            ),
        ],
        DatabaseTrouble::ShuttingDown => [
            ("データベースは停止中です", "the database is shutting down"),
            (
                "再起動かフェイルオーバーなら待ってください。そうでなければ起動してください",
                "wait if it restarts or fails over; otherwise start it",
            ),
        ],
        DatabaseTrouble::ReadOnly => [
            ("データベースは書き込みを受け付けません", "the database takes no writes"),
            (
                "ホスト名がライターのエンドポイントを指しているか、\
                 ディスクが満杯でないか確認してください",
                "see whether the host is the writer's endpoint, and whether the disk is full",
            ),
        ],
        DatabaseTrouble::DiskFull => [
            ("データベースのディスクが満杯です", "the database's disk is full"),
            ("ストレージを増やしてください", "give it more storage"),
        ],
        DatabaseTrouble::SchemaMissing => [
            ("データベースにマイグレーションが適用されていません", "the database lacks migrations"),
            ("マイグレーションを適用してください", "apply them"),
        ],
        DatabaseTrouble::PrivilegeMissing => [
            ("データベースのユーザーに権限が足りません", "the database's user lacks a privilege"),
            ("infra/README.md の GRANT を確認してください", "see the grants in infra/README.md"),
        ],
        DatabaseTrouble::TooSlow => [
            ("データベースの応答が遅すぎます", "the database is too slow"),
            ("ロックと長い文を確認してください", "look for locks and long statements"),
        ],
        DatabaseTrouble::Other => [
            ("データベースでエラーが発生しました", "the database failed"),
            (
                "cause を PostgreSQL の文書で調べてください",
                "look the cause up in PostgreSQL's documentation",
            ),
        ],
    }
}

/// What is told of a database that cannot be used, because of `failure`.
pub(super) fn unusable(failure: &Failure, words: Words) -> Finding {
    let trouble = DatabaseTrouble::of(failure);
    let [what, helps] = told(trouble).map(|(ja, en)| words.say(ja, en));
    let finding = Finding::new(code(trouble), Severity::Critical, what)
        .proved_by(json!({"code": failure.code, "cause": failure.cause}));
    if trouble == DatabaseTrouble::SchemaMissing {
        finding.then(helps, "cargo aigen migrate")
    } else {
        finding.advise(helps)
    }
}

/// What is told of one that takes no writes.
pub(super) fn read_only(words: Words) -> Finding {
    let [what, helps] = told(DatabaseTrouble::ReadOnly).map(|(ja, en)| words.say(ja, en));
    Finding::new(code(DatabaseTrouble::ReadOnly), Severity::Critical, what).advise(helps)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_trouble_has_a_code_of_its_own_and_speaks_both_languages() {
        let codes: HashSet<_> = DatabaseTrouble::ALL.iter().map(|it| code(*it)).collect();
        assert_eq!(codes.len(), DatabaseTrouble::ALL.len());
        for trouble in DatabaseTrouble::ALL {
            for (ja, en) in told(*trouble) {
                assert!(!ja.is_ascii() && en.is_ascii(), "{trouble:?}");
            }
        }
    }
}

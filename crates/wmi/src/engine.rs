//! The engine: dispatches queries to providers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cim::wql::{self, Columns, Query, Select};
use cim::{Class, ClassDeclaration, Instance, Name, Namespace, ObjectPath, Origin, Schema, Status};
use tokio::sync::OwnedSemaphorePermit;
use tracing::debug;

use crate::generations::{EngineGenerations, RefreshTask, Refresher};
use crate::namespaces::Namespaces;
use crate::omission::SourceResults;
use crate::plan::Step;
use crate::rows::RowSender;
use crate::security::SystemSecurity;
use crate::table::Table;
use crate::{Context, Descriptors, Error, InMemory, Provider, ProviderError, Rights, Rows};

/// Limits of concurrent work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of rows of a query that wait for the consumer.
    pub rows_ahead: usize,
    /// Maximum number of concurrent provider calls. Each occupies a thread, even while its consumer does not
    /// read: a provider cannot be suspended between two rows.
    pub calls: usize,
    /// Maximum time that a provider may go without producing a row.
    pub patience: Duration,
    /// Maximum number of concurrent subscriptions.
    pub subscriptions: usize,
    /// Maximum number of events of a subscription that wait for the consumer.
    pub events_ahead: usize,
    /// Approximate maximum memory in bytes for these events.
    pub event_octets_ahead: usize,
    /// Maximum number of instances of a class that a subscription compares for changes.
    pub watched_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows_ahead: 128,
            calls: 64,
            patience: Duration::from_secs(60),
            subscriptions: 1_000,
            events_ahead: 1_000,
            event_octets_ahead: 8 << 20,
            watched_rows: 100_000,
        }
    }
}

/// WMI engine. It answers queries with the data of its providers. Cheap to clone; requires a tokio runtime.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    server: String,
    offset: i16,
    tables: HashMap<Namespace, Table>,
    limits: Limits,
    descriptors: Arc<dyn Descriptors>,
    refresher: Option<Refresher>,
    pub(crate) generations: Arc<EngineGenerations>,
}

/// Builder of an engine.
pub struct EngineBuilder {
    server: String,
    offset: i16,
    schemas: HashMap<Namespace, Schema>,
    providers: Vec<Arc<dyn Provider>>,
    limits: Limits,
    descriptors: Arc<dyn Descriptors>,
    refresher: Option<Refresher>,
    generations: Option<Arc<EngineGenerations>>,
}

/// Result of a query.
#[derive(Debug)]
pub enum Outcome {
    /// Instances, with the selected properties if it is a selection.
    Rows(Rows, Option<Vec<Name>>),
    /// Classes.
    Classes(Vec<Arc<Class>>),
}

impl EngineBuilder {
    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Adds a namespace and its parents.
    #[must_use]
    pub fn namespace(mut self, schema: Schema) -> Self {
        let mut above = schema.namespace().parent();
        while let Some(namespace) = above {
            above = namespace.parent();
            self.schemas.entry(namespace.clone()).or_insert_with(|| Schema::of(namespace));
        }
        self.schemas.insert(schema.namespace().clone(), schema);
        self
    }

    /// Adds classes to a namespace, which is created if it does not exist.
    ///
    /// # Errors
    /// Errors of [`Schema::add`].
    pub fn declare(mut self, namespace: &Namespace, classes: &[ClassDeclaration]) -> Result<Self, Error> {
        if !self.schemas.contains_key(namespace) {
            self = self.namespace(Schema::of(namespace.clone()));
        }
        if let Some(schema) = self.schemas.get_mut(namespace) {
            for class in classes {
                schema.add(class)?;
            }
        }
        Ok(self)
    }

    /// Returns the namespaces added so far, in no particular order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.schemas.keys()
    }

    /// Returns whether an added provider serves a class.
    #[must_use]
    pub fn serves(&self, namespace: &Namespace, class: &Name) -> bool {
        let mut served = self.providers.iter().flat_map(|provider| provider.classes());
        served.any(|(other, name)| other == *namespace && name == *class)
    }

    /// Adds a provider for classes of existing namespaces.
    ///
    /// A provider of `__Namespace` replaces the built-in one, which only lists the namespaces of the engine.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// Adds providers, and the namespaces of their classes.
    #[must_use]
    pub fn providers(mut self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Self {
        for provider in providers {
            for (namespace, _) in provider.classes() {
                if !self.schemas.contains_key(&namespace) {
                    self = self.namespace(Schema::of(namespace));
                }
            }
            self.providers.push(provider);
        }
        self
    }

    /// Sets the storage of namespace descriptors. By default they are kept in memory only.
    #[must_use]
    pub fn descriptors(self, descriptors: Arc<dyn Descriptors>) -> Self {
        Self { descriptors, ..self }
    }

    /// Makes the engine the successor of another, as soon as it is built: subscriptions continue with it, and
    /// timers and counters are taken over.
    #[must_use]
    pub fn successor_of(self, before: &Engine) -> Self {
        Self { generations: Some(Arc::clone(&before.inner.generations)), ..self }
    }

    /// Sets the background task that replaces the engine when necessary; it runs while there are
    /// subscriptions.
    #[must_use]
    pub fn refresher(self, refresher: Refresher) -> Self {
        Self { refresher: Some(refresher), ..self }
    }

    /// Builds the engine.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] and [`cim::Error::NoClass`] if a provider serves a namespace or class that does
    /// not exist; [`Error::Provider`] for a class that two providers serve.
    pub fn build(self) -> Result<Engine, Error> {
        let namespaces: BTreeSet<Namespace> = self.schemas.keys().cloned().collect();
        let mut tables: HashMap<_, _> = self
            .schemas
            .into_iter()
            .map(|(namespace, schema)| (namespace, Table { schema, providers: HashMap::new() }))
            .collect();
        let children = Name::parse("__Namespace")?;
        let served: HashSet<_> = self.providers.iter().flat_map(|provider| provider.classes()).collect();
        let not_served =
            namespaces.iter().filter(|parent| !served.contains(&((*parent).clone(), children.clone())));
        let own = not_served.map(|parent| {
            let below = namespaces.iter().filter(|child| child.parent().as_ref() == Some(parent));
            let names = below.map(|child| child.as_str().rsplit('/').next().unwrap_or_default().to_owned());
            let provider = Namespaces { parent: parent.clone(), children: names.collect() };
            Arc::new(provider) as Arc<dyn Provider>
        });
        let security = namespaces.iter().map(|namespace| {
            let descriptors = self.descriptors.clone();
            Arc::new(SystemSecurity::new(namespace.clone(), descriptors)) as Arc<dyn Provider>
        });
        let generations = self.generations.unwrap_or_else(|| EngineGenerations::new(&self.limits));
        let timers = namespaces.iter().map(|namespace| generations.timers(namespace) as Arc<dyn Provider>);
        for provider in own.chain(security).chain(timers).chain(self.providers) {
            for (namespace, name) in provider.classes() {
                let table = tables.get_mut(&namespace).ok_or(Error::NoNamespace(namespace))?;
                // Only the name is checked here; reading all classes would be slow.
                if !table.schema.has(&name) {
                    return Err(cim::Error::NoClass { name: name.to_string() }.into());
                }
                if table.providers.contains_key(&name) {
                    let problem = "two providers serve this class";
                    return Err(ProviderError::failed(Status::AlreadyExists, problem).of(&name));
                }
                table.providers.insert(name, provider.clone());
            }
        }
        let (server, offset, limits, descriptors) =
            (self.server, self.offset, self.limits, self.descriptors.clone());
        let refresher = self.refresher;
        let inner = Arc::new(Inner { server, offset, tables, limits, descriptors, refresher, generations });
        inner.generations.set_current(&inner);
        Ok(Engine { inner })
    }
}

impl Engine {
    /// Closes all providers, so that they release external resources. Call it at the end.
    pub async fn close(&self) {
        let engine = self.clone();
        // Closing may block, and a provider of many classes is closed only once.
        let closing = tokio::task::spawn_blocking(move || {
            let mut closed: Vec<*const ()> = Vec::new();
            for provider in engine.inner.tables.values().flat_map(|table| table.providers.values()) {
                let address = Arc::as_ptr(provider).cast::<()>();
                if !closed.contains(&address) {
                    closed.push(address);
                    provider.close();
                }
            }
        });
        if closing.await.is_err() {
            tracing::error!("A provider panicked when it was closed");
        }
    }

    /// Returns a builder for a machine with this name; `offset` is the offset of local time from UTC in
    /// minutes.
    #[must_use]
    pub fn builder(server: impl Into<String>, offset: i16) -> EngineBuilder {
        EngineBuilder {
            server: server.into(),
            offset,
            schemas: HashMap::new(),
            providers: Vec::new(),
            limits: Limits::default(),
            descriptors: Arc::new(InMemory::default()),
            refresher: None,
            generations: None,
        }
    }

    /// Returns the classes of a namespace. The caller must have checked access with [`Engine::admit`].
    ///
    /// # Errors
    /// [`Error::NoNamespace`] if the namespace does not exist.
    pub fn schema(&self, namespace: &Namespace) -> Result<&Schema, Error> {
        Ok(&self.table(namespace)?.schema)
    }

    /// Returns all namespaces, sorted by name.
    #[must_use]
    pub fn namespaces(&self) -> Vec<&Namespace> {
        let mut all: Vec<&Namespace> = self.inner.tables.keys().collect();
        all.sort();
        all
    }

    /// Returns whether a provider serves the class itself.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] if the namespace does not exist.
    pub fn serves(&self, namespace: &Namespace, class: &Name) -> Result<bool, Error> {
        Ok(self.table(namespace)?.providers.contains_key(class))
    }

    /// Returns the name of the data source of a class if this machine lacks it, so that neither the class nor its
    /// subclasses have instances. It may block.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] if the namespace does not exist; [`Error::NoProvider`] for a class without a provider.
    pub fn missing_source(&self, namespace: &Namespace, class: &Name) -> Result<Option<&'static str>, Error> {
        let served = self.table(namespace)?.require(class.as_str())?;
        let mut sources = served.iter().map(|one| one.provider.missing_source(namespace, one.class.name()));
        let first = sources.next().flatten();
        Ok(first.filter(|_| sources.all(|source| source.is_some())))
    }

    /// Returns the origin of a namespace's instances: server, namespace and time zone.
    #[must_use]
    pub fn origin(&self, namespace: &Namespace) -> Origin {
        Origin { server: self.inner.server.clone(), namespace: namespace.clone(), offset: self.inner.offset }
    }

    /// Returns the rows of a query.
    ///
    /// # Errors
    /// As for [`Engine::run`]; [`Error::NotRows`] for a query for classes.
    pub fn query(&self, context: &Context, namespace: &Namespace, text: &str) -> Result<Rows, Error> {
        match self.run(context, namespace, text)? {
            Outcome::Rows(rows, _) => Ok(rows),
            Outcome::Classes(_) => Err(Error::NotRows("the query returns classes, not instances")),
        }
    }

    /// Runs a query of any kind.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::Model`] for an invalid query, [`Error::NoProvider`] if no provider
    /// serves the class, [`Error::TooBusy`]. Later errors are returned with the rows.
    pub fn run(&self, context: &Context, namespace: &Namespace, text: &str) -> Result<Outcome, Error> {
        self.ask(context, namespace, &wql::parse(text)?)
    }

    /// Runs a parsed query.
    ///
    /// # Errors
    /// As for [`Engine::run`].
    pub fn ask(&self, context: &Context, namespace: &Namespace, query: &Query) -> Result<Outcome, Error> {
        debug!(namespace = %namespace, "Query");
        self.admit(context, namespace, Rights::ENABLE)?;
        match query {
            Query::Select(select) if select.is_of_classes() => self.classes(namespace, select),
            Query::Select(select) => {
                let names = select.names();
                Ok(Outcome::Rows(self.select(context, namespace, select)?, names))
            }
            Query::Associators(associators) => self.associators(context, namespace, associators),
            Query::References(references) => self.references(context, namespace, references),
        }
    }

    /// Returns all instances of a class and its subclasses.
    ///
    /// # Errors
    /// As for [`Engine::run`].
    pub fn enumerate(&self, context: &Context, namespace: &Namespace, class: &Name) -> Result<Rows, Error> {
        self.select(context, namespace, &everything(class))
    }

    /// Returns the rows of a selection.
    ///
    /// # Errors
    /// As for [`Engine::run`].
    pub fn select(&self, context: &Context, namespace: &Namespace, select: &Select) -> Result<Rows, Error> {
        self.admit(context, namespace, Rights::ENABLE)?;
        let table = self.table(namespace)?;
        let class = table.schema.require(select.from.as_str())?;
        let origin = self.origin(namespace);
        // The query is validated against the class it names, whichever subclass serves the rows.
        wql::Predicate::bind(select, &class, &origin)?;
        select.selected(&class)?;
        if select.within.is_some() || select.group.is_some() {
            return Err(Error::NotRows(
                "WITHIN and GROUP are allowed in event queries only; use a subscription",
            ));
        }
        let steps: Vec<_> = table
            .require(select.from.as_str())?
            .into_iter()
            .filter_map(|served| Step::plan(context, served, select, &origin).transpose())
            .collect::<Result<_, _>>()?;
        let named = class.name().clone();
        self.spawn(named.clone(), move |rows| {
            let mut results = SourceResults::new(Some(&named));
            for step in &steps {
                match step.send(rows) {
                    Ok(()) => match step.missing_source() {
                        // Clients ask for the source of the class that they name (`Engine::missing_source`).
                        Some(source) if *step.class() != named => {
                            results.add_missing_source(step.class(), source);
                        }
                        _ => results.add_answer(),
                    },
                    Err(error @ ProviderError::Stopped) => return step.end(error, rows),
                    Err(error) => results.add_failure(step.class(), error)?,
                }
            }
            rows.omit(results.into_omissions()?);
            Ok(())
        })
    }

    /// Returns the instance with this path.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the instance does not exist, [`Error::Model`] for a path that does not fit its
    /// class, and the errors of providers.
    pub async fn get(
        &self,
        context: &Context,
        namespace: &Namespace,
        path: &ObjectPath,
    ) -> Result<Instance, Error> {
        self.admit(context, namespace, Rights::ENABLE)?;
        let select = self.select_of(namespace, path)?;
        let mut rows = self.select(context, namespace, &select)?;
        rows.next().await.unwrap_or_else(|| {
            // A class that is not available may have the instance.
            let omitted = rows.take_omissions().into_iter().next();
            Err(omitted.map_or_else(|| Error::NotFound(Box::new(path.to_relative())), Error::from))
        })
    }

    fn classes(&self, namespace: &Namespace, select: &Select) -> Result<Outcome, Error> {
        let (table, origin) = (self.table(namespace)?, self.origin(namespace));
        let mut names: Vec<&Name> = table.schema.names().map(|(name, _)| name).collect();
        names.sort();
        let mut found = Vec::new();
        for class in names.into_iter().filter_map(|name| table.schema.class(name.as_str())) {
            if wql::matches_class(select, &class, &origin)? {
                found.push(class);
            }
        }
        Ok(Outcome::Classes(found))
    }

    pub(crate) fn descriptors(&self) -> &Arc<dyn Descriptors> {
        &self.inner.descriptors
    }

    pub(crate) fn table(&self, namespace: &Namespace) -> Result<&Table, Error> {
        self.inner.tables.get(namespace).ok_or_else(|| Error::NoNamespace(namespace.clone()))
    }

    /// Runs a function that produces rows on a separate thread.
    pub(crate) fn spawn(
        &self,
        class: Name,
        work: impl FnOnce(&RowSender) -> Result<(), Error> + Send + 'static,
    ) -> Result<Rows, Error> {
        let limits = self.inner.limits;
        let permit = self
            .inner
            .generations
            .calls
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::TooBusy(limits.calls))?;
        Ok(Rows::spawn(
            move |sender| {
                let _permit = permit;
                if let Err(error) = work(sender) {
                    // If the consumer is gone, the error is dropped.
                    sender.send(Err(error));
                }
            },
            limits.rows_ahead,
            limits.patience,
            class,
            Arc::clone(&self.inner.generations.omissions),
        ))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Counts a subscription, until the permit is dropped.
    pub(crate) fn subscription(&self) -> Result<OwnedSemaphorePermit, Error> {
        let most = self.inner.limits.subscriptions;
        self.inner
            .generations
            .subscriptions
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::TooManySubscriptions(most))
    }

    /// Runs the background task that replaces the engine, until the returned value is dropped.
    pub(crate) fn start_refreshing(&self) -> Option<Arc<RefreshTask>> {
        let refresher = self.inner.refresher.as_ref()?;
        Some(self.inner.generations.start_refreshing(refresher))
    }

    /// Runs a provider call in the background; it waits if the maximum number of calls is reached.
    pub(crate) async fn call_in_turn<T: Send + 'static>(
        &self,
        class: &Name,
        work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.inner.generations.calls.clone().acquire_owned().await;
        self.call_with(class, turn.map_err(|_| Error::TooBusy(self.inner.limits.calls))?, work).await
    }

    /// Runs a provider call on a separate thread.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        class: &Name,
        work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, Error> {
        let limits = self.inner.limits;
        let permit = self
            .inner
            .generations
            .calls
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::TooBusy(limits.calls))?;
        self.call_with(class, permit, work).await
    }

    async fn call_with<T: Send + 'static>(
        &self,
        class: &Name,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, Error> {
        let patience = self.inner.limits.patience;
        let call = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match tokio::time::timeout(patience, call).await {
            Ok(Ok(result)) => result.map_err(|error| error.of(class)),
            Ok(Err(_)) => {
                Err(ProviderError::failed(Status::ProviderFailure, "the provider panicked").of(class))
            }
            Err(_) => Err(Error::TimedOut(class.clone())),
        }
    }
}

/// Returns the query `SELECT * FROM class`.
pub(crate) fn everything(class: &Name) -> Select {
    Select {
        columns: Columns::All,
        from: class.clone(),
        from_span: wql::Span::default(),
        within: None,
        condition: None,
        group: None,
    }
}

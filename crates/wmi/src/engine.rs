//! The way of a question.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cim::wql::{self, Columns, Query, Select};
use cim::{Class, ClassDeclaration, Instance, Name, Namespace, ObjectPath, Origin, Schema, Status};
use tokio::sync::OwnedSemaphorePermit;
use tracing::debug;

use crate::lineage::{Lineage, Lookout, Watchman};
use crate::namespaces::Namespaces;
use crate::plan::Step;
use crate::rows::Finder;
use crate::security::SystemSecurity;
use crate::table::Table;
use crate::{Context, Descriptors, Error, InMemory, Provider, ProviderError, Rights, Rows};

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of one query that wait to be taken.
    pub rows_ahead: usize,
    /// Calls of providers at the same time; each holds a thread, also while nobody takes its rows: what a provider has
    /// open between two of them cannot be left and found again.
    pub calls: usize,
    /// How long a provider may be silent.
    pub patience: Duration,
    /// Subscriptions at the same time.
    pub subscriptions: usize,
    /// Events of one subscription that wait to be taken.
    pub events_ahead: usize,
    /// Octets of memory that they may take, about.
    pub event_octets_ahead: usize,
    /// Instances of one class that one subscription may watch for changes.
    pub watched_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows_ahead: 64,
            calls: 64,
            patience: Duration::from_secs(60),
            subscriptions: 1_000,
            events_ahead: 1_000,
            event_octets_ahead: 8 << 20,
            watched_rows: 100_000,
        }
    }
}

/// Answers questions with what its providers have. Cheap to clone; asked within a runtime of tokio.
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
    watchman: Option<Watchman>,
    pub(crate) lineage: Arc<Lineage>,
}

/// An engine that is still being put together.
pub struct EngineBuilder {
    server: String,
    offset: i16,
    schemas: HashMap<Namespace, Schema>,
    providers: Vec<Arc<dyn Provider>>,
    limits: Limits,
    descriptors: Arc<dyn Descriptors>,
    watchman: Option<Watchman>,
    lineage: Option<Arc<Lineage>>,
}

/// What a query gives.
#[derive(Debug)]
pub enum Outcome {
    /// Instances, of a selection with what it selects.
    Rows(Rows, Option<Vec<Name>>),
    /// Classes.
    Classes(Vec<Arc<Class>>),
}

impl EngineBuilder {
    /// The engine with some other limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The engine with a namespace; those above it come with it.
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

    /// The engine with classes that are added to a namespace, which it gets if it has none of this name.
    ///
    /// # Errors
    /// As [`Schema::add`].
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

    /// The namespaces it has so far, in no order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.schemas.keys()
    }

    /// Whether a provider it has serves a class.
    #[must_use]
    pub fn serves(&self, namespace: &Namespace, class: &Name) -> bool {
        let is_it = |(other, name): &(Namespace, Name)| other == namespace && name == class;
        self.providers.iter().any(|provider| provider.classes().iter().any(is_it))
    }

    /// The engine with a provider of classes in namespaces it has.
    ///
    /// One that serves `__Namespace` takes the place of the engine's own, which knows nothing but what there is.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// The engine with providers, and with the namespaces of their classes.
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

    /// The engine with descriptors of its namespaces that are kept somewhere; without, they are gone with it.
    #[must_use]
    pub fn descriptors(self, descriptors: Arc<dyn Descriptors>) -> Self {
        Self { descriptors, ..self }
    }

    /// The engine that takes the place of another, as soon as it is put together: subscriptions go on with it, and
    /// timers and what is counted go over to it.
    #[must_use]
    pub fn succeeding(self, before: &Engine) -> Self {
        Self { lineage: Some(Arc::clone(&before.inner.lineage)), ..self }
    }

    /// The engine with somebody who looks for what makes another one necessary, while there are subscriptions.
    #[must_use]
    pub fn watchman(self, watchman: Watchman) -> Self {
        Self { watchman: Some(watchman), ..self }
    }

    /// Puts it together.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] and [`cim::Error::NoClass`] for what a provider serves and there is not;
    /// [`Error::Provider`] for a class that two serve.
    pub fn build(self) -> Result<Engine, Error> {
        let namespaces: BTreeSet<Namespace> = self.schemas.keys().cloned().collect();
        let mut tables: HashMap<_, _> = self
            .schemas
            .into_iter()
            .map(|(namespace, schema)| (namespace, Table { schema, providers: HashMap::new() }))
            .collect();
        let children = Name::parse("__Namespace")?;
        let served: HashSet<_> = self.providers.iter().flat_map(|provider| provider.classes()).collect();
        let is_left = |parent: &&Namespace| !served.contains(&((*parent).clone(), children.clone()));
        let own = namespaces.iter().filter(is_left).map(|parent| {
            let below = namespaces.iter().filter(|child| child.parent().as_ref() == Some(parent));
            let last = |child: &Namespace| child.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            let provider = Namespaces { parent: parent.clone(), children: below.map(last).collect() };
            Arc::new(provider) as Arc<dyn Provider>
        });
        let security = namespaces.iter().map(|namespace| {
            let descriptors = self.descriptors.clone();
            Arc::new(SystemSecurity::new(namespace.clone(), descriptors)) as Arc<dyn Provider>
        });
        let lineage = self.lineage.unwrap_or_else(|| Lineage::new(&self.limits));
        let timers = namespaces.iter().map(|namespace| lineage.timers(namespace) as Arc<dyn Provider>);
        for provider in own.chain(security).chain(timers).chain(self.providers) {
            for (namespace, name) in provider.classes() {
                let table = tables.get_mut(&namespace).ok_or(Error::NoNamespace(namespace))?;
                // A class is read when somebody asks for it, not here, where all of them would be.
                if !table.schema.has(&name) {
                    return Err(cim::Error::NoClass { name: name.to_string() }.into());
                }
                if table.providers.contains_key(&name) {
                    let problem = "two providers serve it";
                    return Err(ProviderError::failed(Status::AlreadyExists, problem).of(&name));
                }
                table.providers.insert(name, provider.clone());
            }
        }
        let (server, offset, limits, descriptors) =
            (self.server, self.offset, self.limits, self.descriptors.clone());
        let watchman = self.watchman;
        let inner = Arc::new(Inner { server, offset, tables, limits, descriptors, watchman, lineage });
        inner.lineage.succeed(&inner);
        Ok(Engine { inner })
    }
}

impl Engine {
    /// Lets all providers let go of what they hold elsewhere: for the end.
    pub async fn close(&self) {
        let engine = self.clone();
        // Each may wait, and one that serves many classes is told once.
        let told = tokio::task::spawn_blocking(move || {
            let mut told: Vec<*const ()> = Vec::new();
            for provider in engine.inner.tables.values().flat_map(|table| table.providers.values()) {
                let address = Arc::as_ptr(provider).cast::<()>();
                if !told.contains(&address) {
                    told.push(address);
                    provider.close();
                }
            }
        });
        if told.await.is_err() {
            tracing::error!("A provider panicked when it was closed");
        }
    }

    /// Begins an engine of a machine whose clocks are so many minutes east of Greenwich.
    #[must_use]
    pub fn builder(server: impl Into<String>, offset: i16) -> EngineBuilder {
        EngineBuilder {
            server: server.into(),
            offset,
            schemas: HashMap::new(),
            providers: Vec::new(),
            limits: Limits::default(),
            descriptors: Arc::new(InMemory::default()),
            watchman: None,
            lineage: None,
        }
    }

    /// The classes of a namespace, for whoever may know them: see [`Engine::admit`].
    ///
    /// # Errors
    /// [`Error::NoNamespace`] if there is none.
    pub fn schema(&self, namespace: &Namespace) -> Result<&Schema, Error> {
        Ok(&self.table(namespace)?.schema)
    }

    /// The namespaces there are, in the order of their names.
    #[must_use]
    pub fn namespaces(&self) -> Vec<&Namespace> {
        let mut all: Vec<&Namespace> = self.inner.tables.keys().collect();
        all.sort();
        all
    }

    /// Whether somebody has instances of a class itself.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] if there is no such namespace.
    pub fn serves(&self, namespace: &Namespace, class: &Name) -> Result<bool, Error> {
        Ok(self.table(namespace)?.providers.contains_key(class))
    }

    /// What instances of a namespace are told to come from.
    #[must_use]
    pub fn origin(&self, namespace: &Namespace) -> Origin {
        Origin { server: self.inner.server.clone(), namespace: namespace.clone(), offset: self.inner.offset }
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// As [`Engine::run`]; [`Error::NotRows`] for a query of classes.
    pub fn query(&self, context: &Context, namespace: &Namespace, text: &str) -> Result<Rows, Error> {
        match self.run(context, namespace, text)? {
            Outcome::Rows(rows, _) => Ok(rows),
            Outcome::Classes(_) => Err(Error::NotRows("the query asks for classes, not for instances")),
        }
    }

    /// Runs a query of any kind.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::Model`] for a wrong query, [`Error::NoProvider`] if nobody has such instances, [`Error::TooBusy`].
    /// What goes wrong later comes with the rows.
    pub fn run(&self, context: &Context, namespace: &Namespace, text: &str) -> Result<Outcome, Error> {
        self.ask(context, namespace, &wql::parse(text)?)
    }

    /// Runs a query that has been read.
    ///
    /// # Errors
    /// As [`Engine::run`].
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

    /// All instances of a class and its subclasses.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn enumerate(&self, context: &Context, namespace: &Namespace, class: &Name) -> Result<Rows, Error> {
        self.select(context, namespace, &everything(class))
    }

    /// The rows of a selection.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn select(&self, context: &Context, namespace: &Namespace, select: &Select) -> Result<Rows, Error> {
        self.admit(context, namespace, Rights::ENABLE)?;
        let table = self.table(namespace)?;
        let class = table.schema.require(select.from.as_str())?;
        let origin = self.origin(namespace);
        // What is wrong with the query is told of the class it names, whoever serves it.
        wql::Predicate::bind(select, &class, &origin)?;
        select.selected(&class)?;
        if select.within.is_some() || select.group.is_some() {
            return Err(Error::NotRows("WITHIN and GROUP are for queries of events: subscribe to it"));
        }
        let steps: Vec<_> = table
            .require(select.from.as_str())?
            .into_iter()
            .filter_map(|served| Step::plan(context, served, select, &origin).transpose())
            .collect::<Result<_, _>>()?;
        self.spawn(class.name().clone(), move |rows| {
            for step in &steps {
                if let Err(error) = step.send(rows) {
                    return step.end(error, rows);
                }
            }
            Ok(())
        })
    }

    /// The instance of a path.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, [`Error::Model`] for a path that names none, and those of providers.
    pub async fn get(
        &self,
        context: &Context,
        namespace: &Namespace,
        path: &ObjectPath,
    ) -> Result<Instance, Error> {
        self.admit(context, namespace, Rights::ENABLE)?;
        let select = self.select_of(namespace, path)?;
        let mut rows = self.select(context, namespace, &select)?;
        rows.next().await.unwrap_or_else(|| Err(Error::NotFound(Box::new(path.to_relative()))))
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

    /// Runs something that gives rows on a thread of its own.
    pub(crate) fn spawn(
        &self,
        class: Name,
        work: impl FnOnce(&Finder) -> Result<(), Error> + Send + 'static,
    ) -> Result<Rows, Error> {
        let limits = self.inner.limits;
        let permit =
            self.inner.lineage.calls.clone().try_acquire_owned().map_err(|_| Error::TooBusy(limits.calls))?;
        let search = move |finder: &Finder| {
            let _permit = permit;
            if let Err(error) = work(finder) {
                // Whoever does not listen any more does not want to know.
                finder.send(Err(error));
            }
        };
        Ok(Rows::found_by(search, limits.rows_ahead, limits.patience, class))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Counts one more subscription, until the permit is dropped.
    pub(crate) fn subscription(&self) -> Result<OwnedSemaphorePermit, Error> {
        let most = self.inner.limits.subscriptions;
        self.inner
            .lineage
            .subscriptions
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::TooManySubscriptions(most))
    }

    /// Has somebody look for what makes another engine necessary, until this is dropped.
    pub(crate) fn look_out(&self) -> Option<Arc<Lookout>> {
        let watchman = self.inner.watchman.as_ref()?;
        Some(self.inner.lineage.look_out(watchman))
    }

    /// Runs a single call of a provider for which nobody waits: it takes its turn where others would be too many.
    pub(crate) async fn call_in_turn<T: Send + 'static>(
        &self,
        class: &Name,
        work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.inner.lineage.calls.clone().acquire_owned().await;
        self.call_with(class, turn.map_err(|_| Error::TooBusy(self.inner.limits.calls))?, work).await
    }

    /// Runs a single call of a provider on a thread of its own.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        class: &Name,
        work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, Error> {
        let limits = self.inner.limits;
        let permit =
            self.inner.lineage.calls.clone().try_acquire_owned().map_err(|_| Error::TooBusy(limits.calls))?;
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

/// `SELECT * FROM class`
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

//! The operator that drops rows; it knows filters, not where they come from.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::{BatchCoalescer, and, prep_null_mask_filter};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{DynamicFilterPhysicalExpr, Literal};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt as _, stream};

/// So many rows tell whether a filter is of use.
const TRIAL_ROWS: usize = 64 * 1024;
/// A filter that lets more than this part of them through is given up.
const MOST_KEPT: f64 = 0.7;

/// Drops the rows of its input that one of the filters does not let through.
#[derive(Debug)]
pub(super) struct SieveExec {
    input: Arc<dyn ExecutionPlan>,
    filters: Vec<Arc<dyn PhysicalExpr>>,
}

impl SieveExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, filters: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        Self { input, filters }
    }
}

impl DisplayAs for SieveExec {
    fn fmt_as(&self, _form: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
        write!(formatter, "SieveExec: {}", filters.join(" AND "))
    }
}

impl ExecutionPlan for SieveExec {
    fn name(&self) -> &'static str {
        "SieveExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            if visit(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.filters.clone())))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batch_rows = context.session_config().batch_size();
        let sieving = Sieving {
            filters: self.filters.iter().map(|filter| Trial { filter: Arc::clone(filter), seen: 0, kept: 0 }).collect(),
            kept: BatchCoalescer::new(self.schema(), batch_rows),
            ready: VecDeque::new(),
            input: Some(self.input.execute(partition, context)?),
        };
        let rows = stream::try_unfold(sieving, |mut sieving| async move {
            Ok(sieving.next().await?.map(|batch| (batch, sieving)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// A filter and how much it let through so far.
struct Trial {
    filter: Arc<dyn PhysicalExpr>,
    seen: usize,
    kept: usize,
}

/// One partition's rows on their way.
struct Sieving {
    filters: Vec<Trial>,
    kept: BatchCoalescer,
    ready: VecDeque<RecordBatch>,
    /// `None` after its end.
    input: Option<SendableRecordBatchStream>,
}

impl Sieving {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(input) = &mut self.input else { return Ok(None) };
            match input.next().await.transpose()? {
                Some(batch) => self.take(batch)?,
                None => {
                    self.input = None;
                    self.kept.finish_buffered_batch()?;
                }
            }
            while let Some(batch) = self.kept.next_completed_batch() {
                self.ready.push_back(batch);
            }
        }
    }

    fn take(&mut self, batch: RecordBatch) -> Result<()> {
        let mut mask: Option<BooleanArray> = None;
        for trial in &mut self.filters {
            let Some(found) = trial.mask(&batch)? else { continue };
            mask = Some(match mask {
                Some(mask) => and(&mask, &found)?,
                None => found,
            });
        }
        self.filters.retain(Trial::is_of_use);
        match mask {
            Some(mask) => self.kept.push_batch_with_filter(batch, &mask)?,
            None => self.kept.push_batch(batch)?,
        }
        Ok(())
    }
}

impl Trial {
    /// Which rows pass; `None` as long as the join does not know.
    fn mask(&mut self, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
        if let Some(filter) = self.filter.downcast_ref::<DynamicFilterPhysicalExpr>()
            && filter.current()?.is::<Literal>()
        {
            return Ok(None);
        }
        let found = self.filter.evaluate(batch)?.into_array(batch.num_rows())?;
        let mask = match found.as_boolean() {
            mask if mask.null_count() > 0 => prep_null_mask_filter(mask),
            mask => mask.clone(),
        };
        self.seen += batch.num_rows();
        self.kept += mask.true_count();
        Ok(Some(mask))
    }

    fn is_of_use(&self) -> bool {
        self.seen < TRIAL_ROWS || self.kept as f64 <= self.seen as f64 * MOST_KEPT
    }
}

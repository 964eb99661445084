-- Claude by other providers: the ledger of prompts, and calls of models without a price.
ALTER TABLE mend.calls ADD COLUMN priced boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN mend.calls.priced IS 'Whether mend.model_prices knew the model; false: cost_usd is 0, and only requests are counted';
CREATE INDEX calls_unpriced ON mend.calls (at) WHERE NOT priced;

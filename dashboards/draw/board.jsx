// One board from window.BOARD (see __main__.py), laid out as Grafana does: 24 columns, rows of 38 pixels.
import { Component } from 'react';
import { createRoot } from 'react-dom/client';
import {
  applyFieldOverrides, createTheme, dateTime, getFieldDisplayValues, Registry, standardEditorsRegistry,
  standardFieldConfigEditorRegistry, ThemeContext, toDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, Table, TimeSeries } from '@grafana/ui';
import 'uplot/dist/uPlot.min.css';

const WIDTH = 1600, ROW = 38, COLUMN = WIDTH / 24;
const theme = createTheme({ colors: { mode: location.hash === '#light' ? 'light' : 'dark' } });

// Grafana's registries of field settings live in the application: stubs that pass values on are enough to draw.
const named = (text, { field }) =>
  typeof text === 'string' ? text.replace(/\$\{__field\.labels\.(\w+)\}/g, (all, label) => field?.labels?.[label] ?? all) : text;
const setting = (id, isCustom) => ({
  id: (isCustom ? 'custom.' : '') + id, path: id, name: id, isCustom, settings: {},
  process: id === 'displayName' ? named : (value) => value,
  shouldApply: () => true, override: () => null, editor: () => null, getItemsCount: () => 0,
});
const plain = ['unit', 'decimals', 'displayName', 'links', 'thresholds', 'min', 'max', 'noValue', 'color', 'mappings', 'filterable'];
const custom = ['cellOptions', 'width', 'drawStyle', 'fillOpacity', 'lineWidth', 'lineStyle', 'showPoints', 'stacking', 'pointSize',
  'axisPlacement', 'scaleDistribution', 'spanNulls', 'hideFrom', 'align'];
standardEditorsRegistry.setInit(() => []);
standardFieldConfigEditorRegistry.setInit(() => plain.map((id) => setting(id, false)));
const settings = new Registry(() => [...plain.map((id) => setting(id, false)), ...custom.map((id) => setting(id, true))]);

function frames({ panel, frame }) {
  const fieldConfig = structuredClone(panel.fieldConfig);
  if (panel.type === 'timeseries') {
    fieldConfig.defaults.custom = {
      axisPlacement: 'auto', scaleDistribution: { type: 'linear' }, pointSize: 5, spanNulls: false, ...fieldConfig.defaults.custom,
    };
  }
  return applyFieldOverrides({
    data: [toDataFrame(frame)], fieldConfig, replaceVariables: (text) => text, theme, fieldConfigRegistry: settings, timeZone: 'utc',
  });
}

function Drawn({ told, width, height }) {
  const { panel, from, to } = told;
  const data = frames(told);
  const { options } = panel;
  if (panel.type === 'table') {
    return <Table data={data[0]} width={width} height={height} />;
  }
  if (panel.type === 'timeseries') {
    const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
    return (
      <TimeSeries frames={data} timeRange={timeRange} timeZone="utc" width={width} height={height} legend={options.legend} options={{}}>
        {() => null}
      </TimeSeries>
    );
  }
  const values = getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: (text) => text, theme, data, timeZone: 'utc',
  });
  if (panel.type === 'stat') {
    return <BigValue value={values[0].display} width={width} height={height} theme={theme} colorMode={options.colorMode}
      text={options.text} graphMode="none" justifyMode="auto" textMode="auto" wideLayout />;
  }
  const longest = (texts) => texts.reduce((one, other) => (other.length > one.length ? other : one), '');
  const widest = { title: longest(values.map(({ display }) => display.title ?? '')), text: '$1234567.89' };
  return values.map(({ display, field }, at) => (
    <BarGauge key={at} value={display} field={field} theme={theme} width={width} height={Math.min(75, height / values.length - 8)}
      orientation="horizontal" displayMode={options.displayMode} valueDisplayMode={options.valueMode} text={options.text}
      namePlacement={options.namePlacement} showUnfilled itemSpacing={8} alignmentFactors={widest} />
  ));
}

class Guarded extends Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  render() {
    return this.state.error ? <pre style={{ color: 'red' }}>{String(this.state.error.stack)}</pre> : this.props.children;
  }
}

function Placed({ told }) {
  const { panel } = told;
  const { x, y, w, h } = panel.gridPos;
  const style = { position: 'absolute', left: x * COLUMN, top: y * ROW + 8 };
  if (panel.type === 'row') {
    return <div style={{ ...style, color: theme.colors.text.primary, fontSize: 16, padding: 8 }}>{panel.title}</div>;
  }
  return (
    <div style={style}>
      <PanelChrome title={panel.title} width={w * COLUMN - 8} height={h * ROW - 8} padding="md">
        {(width, height) => <Guarded><Drawn told={told} width={width} height={height} /></Guarded>}
      </PanelChrome>
    </div>
  );
}

createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <div style={{ background: theme.colors.background.canvas, position: 'relative', width: WIDTH, minHeight: '100vh' }}>
      {window.BOARD.map((told, at) => <Placed key={at} told={told} />)}
    </div>
  </ThemeContext.Provider>
);
